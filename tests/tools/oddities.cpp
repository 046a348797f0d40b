// What files, names, pipes, shells and checkpoints are like in the world, one row each, and what a program then has to do.
// Whoever finds another adds a row.
#include <cstring>
#include <span>

#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/deflate.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator.hpp"
#include "tools/programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

struct Oddity {
  const char* what;
  const char* command;  // in a folder with photo.png; see odd_prelude
  int code = 0;
  const char* said = "";       // in the one line on standard error; empty: not a word
  const char* clean = "";      // a file that then is the photo without its rain
  const char* holds = "true";  // a command that then succeeds
};

// Short for what most rows begin with, and how to fill a file with bytes.
const std::string odd_prelude =
    "umask 022; files=$PWD/files; weights=$files/weights.pth; derain=\"nlcl-derain -w $weights\"; "
    "say() { printf '%b' \"$1\"; }; ";

const Oddity odd_files[] = {
    {"a PNG with the name of a JPEG", "mv photo.png a.jpg; $derain -i a.jpg -o out.png; mv a.jpg photo.png",
     0, "", "out.png"},
    {"a JPEG with the name of a PNG", "cp $files/photo.jpg a.png; $derain -i a.png -o out.png", 0, "", "",
     "test -s out.png"},
    {"an extension in capitals", "cp photo.png A.PNG; $derain -i A.PNG -o OUT.PNG", 0, "", "OUT.PNG"},
    {"no extension", "cp photo.png photo; $derain -i photo -o out.png", 0, "", "out.png"},
    {"an empty file", ">a.png; $derain -i a.png -o out.png", 1, "a.png: image: the file is empty"},
    {"a text with the name of a picture", "echo hello >a.png; $derain -i a.png -o out.png", 1,
     "a.png: image: neither"},
    {"the page of an error, saved as a picture",
     "echo '<!DOCTYPE html><title>404</title>' >a.jpg; $derain -i a.jpg -o out.png", 1,
     "a.jpg: image: neither"},
    {"half of a picture", "head -c 300 photo.png >a.png; $derain -i a.png -o out.png", 1, "a.png: "},
    {"zeros", "head -c 100000 /dev/zero >a.png; $derain -i a.png -o out.png", 1, "a.png: image: neither"},
    {"a single pixel", "cp $files/pixel.png a.png; $derain -i a.png -o out.png", 0, "", "",
     "test -s out.png"},
    {"a line of pixels", "cp $files/line.png a.png; $derain -i a.png -o out.png", 0, "", "",
     "test -s out.png"},
    {"a folder with the name of a picture", "mkdir a.png; $derain -i a.png -o out.png", 2,
     "no images (.png, "},
    {"a folder with the name of a result", "mkdir b.png; $derain -i photo.png -o b.png", 2,
     "b.png is a folder"},
    {"a bad picture among good ones", "mkdir in; cp photo.png in; echo no >in/bad.png; $derain -i in -o out",
     1, "in/bad.png: ", "out/photo.png"},
    {"a folder without pictures", "mkdir in; echo no >in/a.txt; $derain -i in -o out", 2,
     "no images (.png, "},
    {"a link to a picture", "ln -s photo.png a.png; $derain -i a.png -o out.png", 0, "", "out.png"},
    {"a link to nothing", "ln -s gone a.png; $derain -i a.png -o out.png", 2,
     "no such file or folder: a.png"},
    {"a circle of links", "ln -s b a; ln -s a b; $derain -i a -o out.png", 2,
     "cannot read a: Too many levels of symbolic links"},
    {"a link to nothing in a folder", "mkdir in; cp photo.png in; ln -s gone in/a.png; $derain -i in -o out",
     1, "cannot read in/a.png: No such file or directory", "out/photo.png"},
    {"a link into a folder that may not be entered",
     "mkdir in locked; cp photo.png in; cp photo.png locked; ln -s ../locked/photo.png in/a.png; chmod 0 "
     "locked; "
     "$derain -i in -o out; code=$?; chmod 700 locked; exit $code",
     1, "cannot read in/a.png: Permission denied", "out/photo.png"},
    {"a picture in a folder that may not be entered",
     "mkdir a; cp photo.png a; chmod 0 a; $derain -i a/photo.png -o out.png; code=$?; chmod 700 a; exit "
     "$code",
     2, "cannot read a/photo.png: Permission denied"},
    {"a picture that may not be read", "cp photo.png a.png; chmod 0 a.png; $derain -i a.png -o out.png", 1,
     "cannot read a.png: Permission denied"},
    {"a folder that may not be written to", "mkdir a; chmod 500 a; $derain -i photo.png -o a/out.png", 2,
     "cannot write to the folder a: Permission denied"},
    {"a result through a link", "echo old >a.png; ln -s a.png out.png; $derain -i photo.png -o out.png", 0,
     "", "a.png", "test -L out.png"},
    {"a result through a link to nothing yet", "ln -s a.png out.png; $derain -i photo.png -o out.png", 0, "",
     "a.png"},
    {"a result that is the photo", "$derain -i photo.png -o photo.png", 2,
     "photo.png would overwrite an input"},
    {"the photo by another way", "mkdir a; $derain -i photo.png -o a/.././photo.png", 2,
     "would overwrite an input"},
    {"a link to the photo as the result", "ln -s photo.png a.png; $derain -i photo.png -o a.png", 2,
     "a.png would overwrite an input"},
    {"another name of the photo as the result", "ln photo.png a.png; $derain -i photo.png -o a.png", 0, "",
     "a.png"},
    {"a result that is there", "echo old >out.png; $derain -i photo.png -o out.png", 0, "", "out.png"},
    {"a result that is there and private",
     "echo old >out.png; chmod 640 out.png; $derain -i photo.png -o out.png", 0, "", "out.png",
     "test $(stat -c %a out.png) = 640"},
    {"a result that is there and write-protected",
     "echo old >b.png; chmod 444 b.png; $derain -i photo.png -o b.png", 1,
     "cannot write b.png: Permission denied", "", "grep -q old b.png"},
    {"photographs of a phone among others",
     "mkdir in; cp photo.png in; >in/1.HEIC; >in/2.heic; >in/3.tif; >in/a.txt; $derain -i in -o out", 0,
     "warning: not read: 2 HEIC (magick IN.heic OUT.png) and 1 TIFF (magick IN.tif OUT.png)",
     "out/photo.png"},
    {"nothing but photographs of a phone", "mkdir in; >in/1.heic; $derain -i in -o out", 2,
     "in the folder in, only 1 HEIC (magick IN.heic OUT.png)"},
    {"a pattern of a phone's names", "mkdir in; >in/1.heic; $derain 'in/*.heic'", 2,
     "no image is named in/*.heic, only 1 HEIC"},
    {"a disk that is full", "$derain -i photo.png -o /dev/full -f png", 1,
     "cannot write /dev/full: No space left"},
    {"a file that may not grow, with a result that is there",
     "echo old >b.png; trap '' XFSZ; ulimit -f 1; exec $derain -i photo.png -o b.png", 1,
     "cannot write b.png: File too large", "", "grep -q old b.png"},
    {"a file that may not grow, by default the end of a program",
     "echo old >b.png; ulimit -f 1; $derain -i photo.png -o b.png", 1, "cannot write b.png: File too large",
     "", "grep -q old b.png"},
    {"a video for a photograph", "printf '\\0\\0\\0\\040ftypisom' >a.mp4; $derain a.mp4 -o out.png", 1,
     "a.mp4: image: video, which is not read; this converts it: ffmpeg -i IN"},
    {"a video that ffmpeg has not unpacked",
     "printf '\\0\\0\\0\\040ftypisom' >a.mp4; $derain --video a.mp4 -o out.y4m", 1,
     "a.mp4: y4m: begins with '', expected 'YUV4MPEG2', as ffmpeg writes with -f yuv4mpegpipe"},
    {"a folder for a video", "$derain --video . -o out.y4m", 2, "expected a file, is a folder: ."},
};

const Oddity odd_names[] = {
    {"spaces", "cp photo.png ' a  b .png'; $derain -i ' a  b .png' -o ' c .png'", 0, "", " c .png"},
    {"a dash in front", "cp photo.png ./-a.png; $derain -i ./-a.png -o ./-o.png", 0, "", "-o.png"},
    {"a dash in front, behind an equals sign",
     "cp photo.png ./-a.png; $derain --input=-a.png --output=-o.png", 0, "", "-o.png"},
    {"an option's name", "cp photo.png ./--quiet; $derain -i ./--quiet -o ./--rain.png", 0, "", "--rain.png"},
    {"a newline", "n=\"$(say 'a\\nb.png')\"; cp photo.png \"$n\"; $derain -i \"$n\" -o out.png", 0, "",
     "out.png"},
    {"a newline in an error", "n=\"$(say 'a\\nb.png')\"; $derain -i \"$n\" -o out.png", 2, ": a\\nb.png"},
    {"quotes of both kinds", "cp photo.png \"a'b\\\"c.png\"; $derain -i \"a'b\\\"c.png\" -o \"o'\\\".png\"",
     0, "", "o'\".png"},
    {"what shells and formats take for theirs",
     "n='#;&|$HOME%n*?[a]{b}~\\.png'; cp photo.png \"$n\"; $derain -i \"$n\" -o \"o$n\"; mv \"o$n\" out.png",
     0, "", "out.png"},
    {"brackets and commas", "cp photo.png '[a, b].png'; $derain -i '[a, b].png' -o '[c, d].png'", 0, "",
     "[c, d].png"},
    {"another script", "cp photo.png 雨.png; $derain -i 雨.png -o дождь.png", 0, "", "дождь.png"},
    {"letters and accents apart, as a Mac has them",
     "n=\"$(say 'e\\0314\\0201.png')\"; cp photo.png \"$n\"; $derain -i \"$n\" -o out.png", 0, "", "out.png"},
    {"no UTF-8",
     "n=\"$(say 'gr\\0374n.png')\"; cp photo.png \"$n\"; $derain -i \"$n\" -o \"o$n\"; mv o* out.png", 0, "",
     "out.png"},
    {"no UTF-8, in an error", "$derain -i \"$(say 'gr\\0374n.png')\" -o out.png", 2, "gr\\xfcn.png"},
    {"colours of a terminal, in an error", "$derain -i \"$(say '\\0033[31m.png')\" -o out.png", 2,
     "\\u001b[31m.png"},
    {"as long as a file system lets it",
     "n=$(printf %0251d 0).png; cp photo.png $n; mkdir o; $derain -i $n -o o/$n; mv o/$n out.png", 0, "",
     "out.png"},
    {"longer than a file system lets it", "$derain -i photo.png -o $(printf %0252d 0).png", 1,
     "File name too long"},
    {"an input's that is too long", "$derain -i $(printf %0256d 0) -o out.png", 2, "File name too long"},
    {"no name at all", "$derain -i '' -o out.png", 2, "--input"},
    {"a carriage return from a list of Windows", "$derain -i \"$(say 'photo.png\\r')\" -o out.png", 2,
     "no such file or folder: photo.png\\r"},
    {"many slashes and dots", "mkdir -p a/b; $derain -i .//a/../a/b/../../photo.png -o ./a//b/./out.png", 0,
     "", "a/b/out.png"},
    {"only an extension", "$derain -i photo.png -o .png", 2, ".png: the name ends in ''"},
    {"two extensions", "cp photo.png a.tar.png; $derain -i a.tar.png -o b.jpg.png", 0, "", "b.jpg.png"},
    {"an unknown extension", "$derain -i photo.png -o out.xyz", 2,
     "out.xyz: the name ends in '.xyz', expected "},
    {"a folder that is not there", "$derain -i photo.png -o none/out.png", 2,
     "cannot write to the folder none: No such file or directory"},
    {"a file as a folder", "$derain -i photo.png/a.png -o out.png", 2, "photo.png/a.png"},
    {"a hyphen that a text processor made", "$derain –i photo.png -o out.png", 2, "–i"},
};

const Oddity odd_pipes[] = {
    {"standard input, from a file", "$derain -i - -o out.png <photo.png", 0, "", "out.png"},
    {"standard input, by its path, from a file", "$derain -i /dev/stdin -o out.png <photo.png", 0, "",
     "out.png"},
    {"standard input, by its path, from a pipe", "cat photo.png | $derain -i /dev/stdin -o out.png", 0, "",
     "out.png"},
    {"a process instead of a file", "bash -c \"$derain -i <(cat photo.png) -o out.png\"", 0, "", "out.png"},
    {"a pipe with a name, read", "mkfifo a; cat photo.png >a & $derain -i a -o out.png", 0, "", "out.png"},
    {"a pipe with a name, written", "mkfifo a; cat a >out.png & $derain -i photo.png -o a -f png && wait", 0,
     "", "out.png"},
    {"standard output", "$derain -i photo.png -o - >out.png", 0, "", "out.png"},
    {"standard output, by its path, to a file", "$derain -i photo.png -o /dev/stdout -f png >out.png", 0, "",
     "out.png"},
    {"standard output, by its path, to a pipe", "$derain -i photo.png -o /dev/stdout -f png | cat >out.png",
     0, "", "out.png"},
    {"standard output, by its path, behind what is there",
     "cp photo.png all; $derain -i photo.png -o /dev/stdout -f png >>all; n=$(wc -c <photo.png); "
     "head -c $n all | cmp - photo.png && tail -c +$((n + 1)) all >out.png",
     0, "", "out.png"},
    {"a full disk behind standard output", "bash -c \"$derain -i photo.png -o - >/dev/full\"", 1,
     "cannot write"},
    {"nothing on standard input", "$derain -i - -o out.png </dev/null", 1, "standard input: "},
    {"no standard input at all", "$derain -i - -o out.png <&-", 1, "standard input"},
    {"no standard output at all", "$derain -i photo.png -o - >&-", 1, "cannot write to standard output"},
    {"results that nobody wants", "$derain -i photo.png -o /dev/null -f png"},
};

const Oddity odd_shells[] = {
    {"a folder that has been removed, and full paths",
     "here=$PWD; mkdir a; cd a; rmdir ../a; $derain -i $here/photo.png -o $here/out.png", 0, "", "out.png"},
    {"a folder that has been removed", "mkdir a; cd a; rmdir ../a; $derain -i photo.png -o out.png", 2,
     "no such file or folder: photo.png"},
    {"a result in a folder that has been removed",
     "here=$PWD; mkdir a; cd a; rmdir ../a; $derain -i $here/photo.png -o out.png", 1,
     "cannot write out.png: No such file or directory"},
    {"no environment",
     "p=$(command -v nlcl-derain); env -i $p --device cpu -w $weights -i photo.png -o out.png", 0, "",
     "out.png"},
    {"a language that is not installed", "LC_ALL=xx_YY.ISO-8859-1 $derain -i photo.png -o out.png", 0, "",
     "out.png"},
    {"no place for temporary files", "TMPDIR=/nowhere $derain -i photo.png -o out.png", 0, "", "out.png"},
    {"a mask for private files", "umask 077; $derain -i photo.png -o out.png", 0, "", "out.png",
     "test $(stat -c %a out.png) = 600"},
    {"hardly any files that may be open", "ulimit -n 8; $derain -i photo.png -o out.png", 0, "", "out.png"},
    {"an option twice", "$derain -i photo.png -o out.png -o b.png", 2, "--output"},
    {"an option without its value", "$derain -i photo.png -o", 2, "--output: expected a value"},
    {"an option that is none", "$derain -i photo.png -o out.png --fast", 2, "--fast"},
    {"a value with an equals sign", "$derain --input=photo.png --output=out.png --quality=90", 0, "",
     "out.png"},
    {"no number", "$derain -i photo.png -o out.jpg -q best", 2, "--quality"},
    {"a name that an option does not know", "$derain -i photo.png -o out.png --precision half", 2,
     "--precision: expected float32, tf32 or bf16, is half"},
    {"a size with a comma", "$derain -i photo.png -o out.png --memory 1,5GB", 2,
     "--memory: expected a size, as in 500MB or 1.5GB, is 1,5GB"},
    {"a size with a point", "$derain -i photo.png -o out.png --memory 1.5GB", 0, "", "out.png"},
    {"a truth that is none", "nlcl-train --rainy . --clean . -o run --skip maybe", 2,
     "--skip: expected true or false, is maybe", "", "! test -e run"},
    {"more threads than there are", "$derain -i photo.png -o out.png -j 64", 0, "", "out.png"},
    {"more threads than there is memory for", "ulimit -v 2000000; $derain -i photo.png -o out.png -j 1024", 3,
     "cannot start 1024 threads: "},
    {"a device that is not there", "NLCL_DEVICE=cuda:9 $derain -i photo.png -o out.png", 3, "cuda:9"},
};

const Oddity odd_checkpoints[] = {
    {"safetensors with the name of PyTorch",
     "cp $files/weights.safetensors a.pth; nlcl-derain -w a.pth -i photo.png -o out.png", 0, "", "out.png"},
    {"PyTorch with the name of safetensors",
     "cp $weights a.safetensors; nlcl-derain -w a.safetensors -i photo.png -o out.png", 0, "", "out.png"},
    {"weights through a pipe", "bash -c \"nlcl-derain -w <(cat $weights) -i photo.png -o out.png\"", 0, "",
     "out.png"},
    {"packed again, with compression", "nlcl-derain -w $files/deflated.pth -i photo.png -o out.png", 0, "",
     "out.png"},
    {"a state dict in another dict", "nlcl-derain -w $files/nested.pth -i photo.png -o out.png", 0, "",
     "out.png"},
    {"two state dicts", "nlcl-derain -w $files/two.pth -i photo.png -o out.png", 2,
     "two.pth: torch: 2 state dicts, expected the key of one: params, params_ema"},
    {"two state dicts, and the key of one",
     "nlcl-derain -w $files/two.pth --key params_ema -i photo.png -o out.png", 0, "", "out.png"},
    {"two state dicts, and the key of none",
     "nlcl-derain -w $files/two.pth --key ema -i photo.png -o out.png", 2,
     "expected the key of one: params, params_ema"},
    {"weights of DataParallel", "nlcl-derain -w $files/module.pth -i photo.png -o out.png", 0, "", "out.png"},
    {"weights of DataParallel, as safetensors",
     "nlcl-convert $files/module.pth a.safetensors >/dev/null; nlcl-derain -w a.safetensors -i photo.png -o "
     "out.png",
     0, "", "out.png"},
    {"counts of batches", "nlcl-derain -w $files/counts.pth -i photo.png -o out.png", 0,
     "counts.pth: 2 tensors are left out, no part of the generator: gen.1.num_batches_tracked, ...",
     "out.png"},
    {"one generator beside a discriminator", "nlcl-derain -w $files/gan.safetensors -i photo.png -o out.png",
     0, "", "out.png"},
    {"the networks of a run", "nlcl-derain -w $files/run.safetensors -i photo.png -o out.png", 2,
     "2 generators, expected the key of one: G_B, G_R"},
    {"the networks of a run, and one of them",
     "nlcl-derain -w $files/run.safetensors --key G_B -i photo.png -o out.png", 0, "", "out.png"},
    {"a network of a run that is not in it", "nlcl-inspect $files/run.safetensors --key G", 1,
     "no tensor has a name that begins with 'G.'"},
    {"a file that Git has not fetched",
     "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\nsize 1\\n' >a.pth; "
     "nlcl-derain -w a.pth -i photo.png -o out.png",
     2, "a.pth: neither a PyTorch nor a safetensors checkpoint"},
    {"a page of a download that needs a login",
     "echo '<html>Sign in</html>' >a.safetensors; nlcl-derain -w a.safetensors -i photo.png -o out.png", 2,
     "a.safetensors: neither a PyTorch nor a safetensors checkpoint"},
    {"half of a download", "head -c 100000 $weights >a.pth; nlcl-derain -w a.pth -i photo.png -o out.png", 2,
     "a.pth: zip: no directory at the end of the file, it may be truncated"},
    {"half of a download of safetensors",
     "head -c 100000 $files/weights.safetensors >a; nlcl-derain -w a -i photo.png -o out.png", 2,
     "a: safetensors: "},
    {"an empty file of weights", ">a.pth; nlcl-derain -w a.pth -i photo.png -o out.png", 2,
     "a.pth: neither a PyTorch nor a safetensors checkpoint"},
    {"a picture for weights", "nlcl-derain -w photo.png -i photo.png -o out.png", 2,
     "photo.png: neither a PyTorch"},
    {"a zip that is no checkpoint", "nlcl-derain -w $files/other.zip -i photo.png -o out.png", 2,
     "other.zip: torch: no data.pkl in the archive"},
    {"a pickle that calls", "nlcl-derain -w $files/evil.pth -i photo.png -o out.png", 2,
     "evil.pth: pickle: refuses the global posix.system"},
    {"weights of before PyTorch 1.6", "nlcl-derain -w $files/legacy.pth -i photo.png -o out.png", 2,
     "a checkpoint of the format before PyTorch 1.6; load it with PyTorch and save it again"},
    {"weights of another network", "nlcl-derain -w $files/other.safetensors -i photo.png -o out.png", 2,
     "other.safetensors: checkpoint: no tensor 'gen.0.weight'"},
    {"weights that are not there", "nlcl-derain -w none.pth -i photo.png -o out.png", 2, "none.pth"},
    {"a folder for weights", "nlcl-derain -w . -i photo.png -o out.png", 2, "cannot read .: is a directory"},
    {"metadata that are no UTF-8", "nlcl-convert $weights a.safetensors --metadata \"a=$(say '\\0377')\"", 2,
     "--metadata: expected KEY=VALUE in UTF-8, is a=\\xff"},
    {"a name of a tensor that is no UTF-8", "nlcl-convert $files/latin.pth a.safetensors", 1,
     "safetensors: the name of a tensor 'gr\\xfcn' is not UTF-8"},
    {"a header that is no JSON",
     "printf '\\020\\0\\0\\0\\0\\0\\0\\0{\"a\": what is it' >a.safetensors; nlcl-inspect a.safetensors", 1,
     "a.safetensors: safetensors: the header is not JSON, at byte 7"},
    {"a configuration that is none", "nlcl-train --config photo.png", 2,
     "photo.png: line 1: expected name=value, is \\x89PNG"},
    {"a rate that is no number", "nlcl-train --rainy . --clean . -o run --lr nan", 2,
     "--lr: expected a number above 0, is nan", "", "! test -e run"},
    {"a run in a file", "nlcl-train --rainy . --clean . --crop 40 --steps 1 --quiet -o photo.png", 2,
     "photo.png"},
    {"a run that would overwrite a log",
     "mkdir run; echo mine >run/log.jsonl; nlcl-train --rainy . --clean . -o run --quiet", 2,
     "run/log.jsonl: would be overwritten, and is of no run", "", "grep -q mine run/log.jsonl"},
};

// An archive with another pickle, or deflated.
std::vector<std::byte> repacked_archive(const std::vector<std::byte>& archive, const auto& pickle_of,
                                        bool is_deflated = false) {
  std::vector<ZipEntry> entries = read_zip(archive);
  std::vector<std::byte> pickle;
  for (ZipEntry& entry : entries)
    if (entry.name.ends_with("data.pkl"))
      entry.bytes = pickle = bytes(pickle_of(std::string(text_of(entry.bytes))));
  if (!is_deflated) return to_zip_bytes(entries);

  // As stored entries first; then every header tells of compression what a directory entry has to tell.
  std::vector<std::vector<std::byte>> streams;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> plain;  // checksum and size
  streams.reserve(entries.size());
  for (ZipEntry& entry : entries) {
    plain.emplace_back(crc32(entry.bytes), static_cast<std::uint32_t>(entry.bytes.size()));
    const std::vector<std::byte> framed = detail::deflated(entry.bytes);  // two bytes in front, four behind
    streams.emplace_back(framed.begin() + 2, framed.end() - 4);
    entry.bytes = streams.back();
  }
  std::vector<std::byte> file = to_zip_bytes(entries);
  const auto put = [&](std::size_t at, auto value) { std::memcpy(file.data() + at, &value, sizeof value); };
  const detail::ZipDirectory directory = detail::find_zip_directory(file);
  auto line = static_cast<std::size_t>(directory.offset);
  for (std::size_t i = 0; i < entries.size(); line += 46 + entries[i++].name.size()) {
    ByteReader reader(file, "");
    reader.seek(line + 42);
    put(reader.little<std::uint32_t>() + 8, std::uint16_t{8});
    put(line + 10, std::uint16_t{8});
    put(line + 16, plain[i].first);
    put(line + 24, plain[i].second);
  }
  return file;
}

std::string pickled_string(std::string_view value) {
  return text('X', static_cast<char>(value.size()), std::string(3, '\0'), value);
}

// The object of one pickle under each of the keys of another.
auto in_pickled_dict(std::vector<std::string> keys) {
  return [keys](const std::string& pickle) {
    const std::string object = pickle.substr(2, pickle.size() - 3);  // without the protocol and the end
    std::string dict = "\x80\x02}(" + pickled_string("epoch") + "K\x07";
    for (const std::string& key : keys) dict += pickled_string(key) + object;
    return dict + "u.";
  };
}

// Everything that the rows find in $files.
void write_odd_files(const Workplace& place) {
  place.write("photo.png", random_image(19, 23, 3));
  place.write("files/photo.jpg", encode_jpeg(random_image(19, 23, 3), 90));
  place.write("files/pixel.png", random_image(1, 1, 3));
  place.write("files/line.png", random_image(1, 200, 3));

  Generator<float> generator(Random(1)), other(Random(2));
  const StateFile state = state_of(generator);
  const auto named = [](StateFile file, const std::string& prefix) {
    for (RawTensor& tensor : file.tensors) tensor.name = prefix + tensor.name;
    return file;
  };
  const auto with = [](StateFile file, const std::vector<RawTensor>& more) {
    file.tensors.insert(file.tensors.end(), more.begin(), more.end());
    return file;
  };
  const auto zeros = [](const std::string& name) { return from_tensor(name, Tensor<float>::zeros({1})); };
  const fs::path folder = place / "files";
  const auto same = [](const std::string& pickle) { return pickle; };
  const std::vector<std::byte> weights = to_torch_checkpoint_bytes(state);
  place.write("files/weights.pth", weights);
  write_checkpoint(folder / "weights.safetensors", state);
  place.write("files/deflated.pth", repacked_archive(weights, same, true));
  place.write("files/nested.pth", repacked_archive(weights, in_pickled_dict({"params"})));
  place.write("files/two.pth", repacked_archive(weights, in_pickled_dict({"params", "params_ema"})));
  place.write("files/evil.pth", repacked_archive(weights, [](const std::string&) {
                return "\x80\x02"
                       "cposix\nsystem\n(" +
                       pickled_string("echo harm >&2") + "tR.";
              }));
  write_checkpoint(folder / "module.pth", named(state, "module."));
  write_checkpoint(folder / "counts.pth",
                   with(state, {zeros("gen.1.num_batches_tracked"), zeros("gen.4.num_batches_tracked")}));
  write_checkpoint(folder / "gan.safetensors", with(named(state, "netG."), {zeros("netD.0.weight")}));
  write_checkpoint(folder / "run.safetensors",
                   with(named(state, "G_B."), named(state_of(other), "G_R.").tensors));
  write_checkpoint(folder / "other.safetensors", {{zeros("weight")}, {}});
  write_checkpoint(folder / "latin.pth", {{zeros("gr\xfcn")}, {}});
  place.write("files/other.zip", to_zip_bytes(std::vector<ZipEntry>{{"readme.txt", bytes_of("hello")}}));
  place.write("files/legacy.pth",
              std::string_view("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15));
}

// Words of libraries, which are of no use to anybody.
void check_words(const std::string& said) {
  for (const char* word :
       {"filesystem error", "terminate called", "what()", "json.exception", "std::", "basic_", "stoi",
        "not in range", "not in {", "Could not convert", "[json", "canonical", "Segmentation"})
    CHECK_THAT(said, !Catch::Contains(word));
}

}  // namespace

TEST_CASE("oddities", "[tools]") {
  const Workplace place;
  write_odd_files(place);
  REQUIRE(place("nlcl-derain -w files/weights.pth -i photo.png -o clean.png").code == 0);
  const std::vector<std::uint8_t> clean = place.image("clean.png").pixels;
  const std::string photo = place.content("photo.png");
  const Names given = place.names("files");

  std::size_t count = 0;
  for (const std::span<const Oddity> part : std::initializer_list<std::span<const Oddity>>{
           odd_files, odd_names, odd_pipes, odd_shells, odd_checkpoints})
    for (const Oddity& oddity : part) {
      INFO(oddity.what << "\n" << oddity.command);
      const std::string folder = std::to_string(++count);
      place.write(folder + "/photo.png", photo);
      const Run run = place.as_ordinary_user(odd_prelude + "cd " + folder + "\n" + oddity.command);
      INFO(run.err);
      CHECK(run.code == oddity.code);
      check_words(run.err + run.out);
      if (*oddity.said)
        CHECK_THAT(run.err, Catch::Contains(oddity.said));
      else
        CHECK(run.err == "");
      CHECK(std::ranges::count(run.err, '\n') == (*oddity.said ? 1 : 0));
      if (*oddity.clean) {
        REQUIRE(fs::exists(place / (folder + "/" + oddity.clean)));
        CHECK(place.image(folder + "/" + oddity.clean).pixels == clean);
      }
      if (oddity.code != 0) CHECK_FALSE(fs::exists(place / (folder + "/out.png")));
      CHECK(place("cd " + folder + "; " + oddity.holds).code == 0);

      CHECK(place.content(folder + "/photo.png") == photo);
      for (const auto& entry : fs::recursive_directory_iterator(place / folder))
        CHECK_FALSE(is_temporary(entry.path()));
    }
  CHECK(count >= 60);
  CHECK(place.names("files") == given);
}
