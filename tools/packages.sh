# For the scripts: need_packages NAME... installs what is missing, with apt-get.

build_packages=(cmake g++ ninja-build libeigen3-dev libstb-dev nlohmann-json3-dev libcli11-dev libwebp-dev)

need_packages() {
  if ! command -v dpkg-query apt-get >/dev/null; then
    return 0  # not Debian or Ubuntu: CMake will say what it does not find
  fi
  local package missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  if [ "$(id -u)" != 0 ]; then
    echo "Some packages are missing, and only root can install them. Please run:" >&2
    echo "  sudo apt-get install ${missing[*]}" >&2
    return 1
  fi
  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local quiet=(-qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  apt-get "${quiet[@]}" update || true  # an old list may still do
  apt-get "${quiet[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
}
