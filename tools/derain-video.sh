#!/usr/bin/env bash
# Takes the rain off a video with ffmpeg on both sides: the pictures go through nlcl-derain, the sound is copied as it is.
#   tools/derain-video.sh IN OUT [OPTION OF nlcl-derain...]
# Rate, size, aspect, range and colours stay; OUT is encoded as ffmpeg does by its name, with -crf 18. It appears when it is
# complete. NLCL_DERAIN is the program, build/bin/nlcl-derain or the installed one if not given.
set -euo pipefail

if [ $# -lt 2 ] || [[ $1 == -* ]]; then
  echo "usage: tools/derain-video.sh IN OUT [OPTION OF nlcl-derain...]" >&2
  exit 2
fi
in=$1 out=$2
shift 2
built=$(cd "$(dirname "$0")/.." && pwd)/build/bin/nlcl-derain
derain=${NLCL_DERAIN:-$([ -x "$built" ] && echo "$built" || echo nlcl-derain)}
for program in ffmpeg ffprobe "$derain"; do
  command -v "$program" >/dev/null || { echo "$program is not there: apt-get install ffmpeg, and build nlcl-derain" >&2 && exit 1; }
done
[ -r "$in" ] || { echo "$in: cannot be read" >&2 && exit 1; }
[ "$(realpath -m "$in")" != "$(realpath -m "$out")" ] || { echo "$out would overwrite the video that is read" >&2 && exit 2; }

about() { ffprobe -v error -select_streams v:0 -show_entries "stream=$1" -of default=nw=1:nk=1 -- "file:$in" | head -n 1; }
layout=$(about pix_fmt)
[ -n "$layout" ] || { echo "$in: no video in it" >&2 && exit 1; }
case $layout in  # what YUV4MPEG2 has; the rest in the next best
  yuv420p | yuv422p | yuv444p | gray | yuv420p10le | yuv422p10le | yuv444p10le) ;;
  yuvj420p | yuvj422p | yuvj444p) layout=${layout/j/} ;;
  *10* | *12* | *16*) layout=yuv444p10le ;;
  *) layout=yuv444p ;;
esac
space=$(about color_space) transfer=$(about color_transfer) primaries=$(about color_primaries) range=$(about color_range)
case $space in
  bt709) matrix=bt709 ;;
  bt2020*) matrix=bt2020 ;;
  smpte170m | bt470bg) matrix=bt601 ;;
  *) matrix=auto ;;
esac
colours=()  # that the stream does not tell the encoder
for tag in "colorspace:$space" "color_trc:$transfer" "color_primaries:$primaries" "color_range:$range"; do
  case ${tag#*:} in "" | unknown | N/A | gbr) ;; *) colours+=("-${tag%%:*}" "${tag#*:}") ;; esac
done

part=$(dirname "$out")/.part-$$-$(basename "$out")
trap 'rm -f "$part"' EXIT
ffmpeg -v error -nostdin -i "file:$in" -map 0:v:0 -pix_fmt "$layout" -strict -1 -f yuv4mpegpipe - |
  "$derain" --video - -o - --matrix "$matrix" "$@" |
  ffmpeg -v error -nostdin -y -f yuv4mpegpipe -i - -i "file:$in" -map 0:v:0 -map '1:a?' -map_metadata 1 -c:a copy -crf 18 \
    "${colours[@]}" "file:$part"
mv "$part" "$out"
