# For the scripts: demo_data DIR makes a data set in DIR, from free photographs and drawn rain: rainy/ and dry/ to train on,
# held-out/rainy and held-out/truth to judge by. nlcl-synth is on the PATH.
# Of every four photographs one is held out, two get rain, and one stays dry: no photograph is in both folders.

demo_data() {
  local kinds=(held-out rainy dry rainy) rain=(--preset heavy --veil 0 --brightness 0.45 --shrink 512 --quiet)
  local number=0 photograph
  mkdir -p "$1"
  (
    cd "$1"
    rm -rf photographs dry rainy held-out
    "$root/tools/photographs.sh" photographs >/dev/null
    mkdir -p photographs/{held-out,rainy,dry}
    for photograph in photographs/*.png; do
      mv "$photograph" "photographs/${kinds[number++ % 4]}"
    done
    nlcl-synth -i photographs/rainy -o rainy "${rain[@]}"
    nlcl-synth -i photographs/dry --clean dry --shrink 512 --quiet
    nlcl-synth -i photographs/held-out -o held-out/rainy --clean held-out/truth "${rain[@]}"
  )
}
