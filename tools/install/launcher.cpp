// Stands in bin/ under the name of a program where it is installed for several processors, and starts the best that this
// processor can run: that of libexec/nlcl/x86-64-v4, of x86-64-v3, or of x86-64.
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

int main(int, char** argv) {
  namespace fs = std::filesystem;
  // The parts of each level that came last; clang 14 does not know the levels by name.
  const bool has_v3 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                      __builtin_cpu_supports("bmi2") != 0;
  const bool has_v4 = __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512cd") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  const struct {
    const char* name;
    bool runs;
  } levels[] = {{"x86-64-v4", has_v3 && has_v4}, {"x86-64-v3", has_v3}, {"x86-64", true}};

  // What the system was asked to start, whatever links lead here; argv[0] may be anything.
  std::error_code error;
  const auto* started =
      reinterpret_cast<const char*>(getauxval(AT_EXECFN));  // NOLINT(performance-no-int-to-ptr)
  const fs::path self = fs::canonical(started, error);
  const fs::path programs = self.parent_path().parent_path() / "libexec" / "nlcl";
  for (const auto& level : levels)
    if (level.runs) execv((programs / level.name / self.filename()).c_str(), argv);
  std::fprintf(stderr, "%s: not installed in %s\n", argv[0], programs.c_str());
  return 127;
}
