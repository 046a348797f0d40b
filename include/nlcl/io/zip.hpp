// Zip archives as PyTorch writes them, and as they are when somebody has packed one again: entries are stored, or
// deflated when read; no encryption, optional zip64 records.
//
// The reader trusts nothing twice: the directory at the end must describe the whole file, local headers must
// agree with it, entries must not overlap, and every checksum must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/deflate.hpp"

namespace nlcl {

struct ZipEntry {
  std::string name;
  ByteSpan bytes;  // a view into the archive it was read from, or of what follows
  std::shared_ptr<const std::vector<std::byte>> inflated{};  // of an entry that is deflated in its archive
};

namespace detail {

inline constexpr std::uint32_t zip_local = 0x04034b50, zip_central = 0x02014b50, zip_end = 0x06054b50;
inline constexpr std::uint32_t zip64_end = 0x06064b50, zip64_locator = 0x07064b50;

// The directory of an archive: where it lies and how many entries it lists.
struct ZipDirectory {
  std::uint64_t entries = 0, size = 0, offset = 0;
};

// The last record of the file, 22 bytes and a comment, and in front of it the zip64 records if there are any.
inline ZipDirectory find_zip_directory(ByteSpan archive) {
  const auto is_end = [&](std::size_t at) {
    ByteReader reader(archive.subspan(at), "zip");
    if (reader.little<std::uint32_t>() != zip_end) return false;
    reader.skip(16);
    return reader.little<std::uint16_t>() == reader.remaining();
  };
  require<FormatError>(archive.size() >= 22, "zip: truncated, ", archive.size(), " bytes are no archive");
  std::size_t end = archive.size() - 22;
  const std::size_t longest_comment = std::min<std::size_t>(end, 0xffff);
  const std::size_t first = end - longest_comment;
  while (end > first && !is_end(end)) --end;
  require<FormatError>(is_end(end), "zip: no directory at the end of the file, it may be truncated");

  ByteReader reader(archive, "zip");
  reader.seek(end + 4);
  const auto disk = reader.little<std::uint16_t>();
  const auto directory_disk = reader.little<std::uint16_t>();
  const auto entries_here = reader.little<std::uint16_t>();
  ZipDirectory directory{reader.little<std::uint16_t>(), reader.little<std::uint32_t>(),
                         reader.little<std::uint32_t>()};
  require<FormatError>(disk == directory_disk && entries_here == directory.entries,
                       "zip: the archive is split over several files");

  std::size_t directory_end = end;
  if (end >= 20) {
    reader.seek(end - 20);
    if (reader.little<std::uint32_t>() == zip64_locator) {
      reader.skip(4);  // disk
      const auto at = reader.little<std::uint64_t>();
      require<FormatError>(at <= end - 20, "zip: the zip64 record begins at ", at, ", beyond its locator");
      directory_end = static_cast<std::size_t>(at);
      reader.seek(directory_end);
      require<FormatError>(reader.little<std::uint32_t>() == zip64_end, "zip: no zip64 record at offset ",
                           at);
      reader.skip(8 + 2 + 2 + 4 + 4 + 8);  // size, versions, disks, entries on this disk
      const ZipDirectory wide{reader.little<std::uint64_t>(), reader.little<std::uint64_t>(),
                              reader.little<std::uint64_t>()};
      const auto agrees = [](std::uint64_t narrow, std::uint64_t value, std::uint64_t saturated) {
        return narrow == value || narrow == saturated;
      };
      require<FormatError>(agrees(directory.entries, wide.entries, 0xffff) &&
                               agrees(directory.size, wide.size, 0xffffffff) &&
                               agrees(directory.offset, wide.offset, 0xffffffff),
                           "zip: the zip64 record contradicts the directory's");
      directory = wide;
    }
  }
  require<FormatError>(
      directory.offset <= directory_end && directory.size == directory_end - directory.offset,
      "zip: a directory of ", directory.size, " bytes at offset ", directory.offset, " does not end at ",
      directory_end);
  return directory;
}

// One line of the directory.
struct ZipRecord {
  std::string name;
  std::uint16_t flags = 0, method = 0;
  std::uint32_t crc = 0;
  std::uint64_t stored_size = 0, size = 0, offset = 0;
};

inline ZipRecord read_zip_record(ByteReader& reader) {
  require<FormatError>(reader.little<std::uint32_t>() == zip_central,
                       "zip: no directory entry where one is expected");
  ZipRecord record;
  reader.skip(4);  // versions
  record.flags = reader.little<std::uint16_t>();
  record.method = reader.little<std::uint16_t>();
  reader.skip(4);  // time and date
  record.crc = reader.little<std::uint32_t>();
  record.stored_size = reader.little<std::uint32_t>();
  record.size = reader.little<std::uint32_t>();
  const auto name_size = reader.little<std::uint16_t>();
  const auto extra_size = reader.little<std::uint16_t>();
  const auto comment_size = reader.little<std::uint16_t>();
  reader.skip(2 + 2 + 4);  // disk, attributes
  record.offset = reader.little<std::uint32_t>();
  record.name = text_of(reader.take(name_size));
  ByteReader extra(reader.take(extra_size), "zip");
  reader.skip(comment_size);

  // A value that does not fit 32 bits is all ones; the zip64 extra field has it in full.
  while (extra.remaining() >= 4) {
    const auto kind = extra.little<std::uint16_t>();
    ByteReader field(extra.take(extra.little<std::uint16_t>()), "zip");
    if (kind != 1) continue;
    for (std::uint64_t* value : {&record.size, &record.stored_size, &record.offset})
      if (*value == 0xffffffff) *value = field.little<std::uint64_t>();
  }
  return record;
}

}  // namespace detail

// The entries in the order of the directory. Throws FormatError for anything but a complete archive, and where deflated
// entries would outgrow the archive 16 times: weights hardly shrink, memory bombs do.
inline std::vector<ZipEntry> read_zip(ByteSpan archive) {
  const detail::ZipDirectory directory = detail::find_zip_directory(archive);
  ByteReader reader(
      archive.subspan(static_cast<std::size_t>(directory.offset), static_cast<std::size_t>(directory.size)),
      "zip");
  const ByteSpan before_directory = archive.first(static_cast<std::size_t>(directory.offset));
  std::vector<ZipEntry> entries;
  std::set<std::string> names;
  std::vector<detail::ZipRecord> records;
  std::uint64_t allowed_bytes = 16 * std::uint64_t{archive.size()};  // of deflated entries
  std::vector<std::pair<std::size_t, std::size_t>> extents;          // header and data of each entry
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const detail::ZipRecord record = detail::read_zip_record(reader);
    const std::string& name = record.name;
    require<FormatError>(names.insert(name).second, "zip: two entries are named ", name);
    require<FormatError>((record.flags & 0x2041) == 0, "zip: entry ", name, " is encrypted");
    const bool is_stored = record.method == 0, is_deflated = record.method == 8;
    require<FormatError>(is_stored || is_deflated, "zip: entry ", name, " is compressed by method ",
                         record.method, ", expected 0 (stored) or 8 (deflated)");
    require<FormatError>(!is_stored || record.stored_size == record.size, "zip: entry ", name, " has ",
                         record.size, " bytes but ", record.stored_size, " are stored");
    require<FormatError>(record.offset <= before_directory.size(), "zip: entry ", name, " begins at ",
                         record.offset, ", beyond the directory");

    const auto begin = static_cast<std::size_t>(record.offset);
    ByteReader local(before_directory.subspan(begin), "zip");
    const bool is_local = local.little<std::uint32_t>() == detail::zip_local;
    local.skip(2);  // version
    const auto flags = local.little<std::uint16_t>();
    const auto method = local.little<std::uint16_t>();
    local.skip(4 + 4 + 4 + 4);  // time, checksum and sizes, which a streaming writer leaves empty
    const auto name_size = local.little<std::uint16_t>();
    const auto extra_size = local.little<std::uint16_t>();
    require<FormatError>(is_local && flags == record.flags && method == record.method &&
                             text_of(local.take(name_size)) == name,
                         "zip: the header of entry ", name, " contradicts the directory");
    local.skip(extra_size);
    require<FormatError>(record.stored_size <= local.remaining(), "zip: entry ", name, " has ",
                         record.stored_size, " bytes, which do not fit into the archive");
    const ByteSpan bytes = local.take(static_cast<std::size_t>(record.stored_size));
    extents.emplace_back(begin, begin + local.position());
    if (is_deflated) {
      require<FormatError>(record.size <= allowed_bytes, "zip: at entry ", name,
                           " the deflated ones outgrow the archive 16 times");
      allowed_bytes -= record.size;
    }
    records.push_back(record);
    entries.push_back({name, bytes});
  }
  require<FormatError>(reader.remaining() == 0, "zip: ", reader.remaining(),
                       " bytes after the last directory entry");
  std::ranges::sort(extents);
  for (std::size_t i = 1; i < extents.size(); ++i)
    require<FormatError>(extents[i - 1].second <= extents[i].first, "zip: entries overlap at offset ",
                         extents[i].first);
  for (std::size_t i = 0; i < entries.size(); ++i) {  // once nothing overlaps: a sum over the file at most
    ZipEntry& entry = entries[i];
    if (records[i].method != 0) {
      const auto size = static_cast<std::size_t>(records[i].size);
      entry.inflated =
          std::make_shared<const std::vector<std::byte>>(detail::inflated_entry(entry.bytes, size));
      entry.bytes = *entry.inflated;
    }
    require<FormatError>(crc32(entry.bytes) == records[i].crc, "zip: entry ", entry.name,
                         " has a wrong checksum, it is damaged");
  }
  return entries;
}

// An archive with these entries in this order, data aligned to 64 bytes, the same bytes for the same entries.
// Throws FormatError for names that occur twice and beyond 65,534 entries or 4 GiB.
inline std::vector<std::byte> to_zip_bytes(std::span<const ZipEntry> entries) {
  constexpr std::size_t alignment = 64;
  require<FormatError>(entries.size() < 0xffff, "zip: ", entries.size(),
                       " entries, at most 65534 are supported");
  std::vector<std::byte> out, directory;
  std::set<std::string_view> names;
  for (const ZipEntry& entry : entries) {
    require<FormatError>(names.insert(entry.name).second, "zip: two entries are named ", entry.name);
    require<FormatError>(entry.name.size() <= 0xffff && out.size() + entry.bytes.size() < 0xfff00000,
                         "zip: entry ", entry.name, " does not fit into 4 GiB");
    // What a local header and a directory entry have in common.
    const auto append_common = [&](std::vector<std::byte>& to, std::size_t extra_size) {
      append_little<std::uint16_t>(to, 20);      // version needed: 2.0
      append_little<std::uint16_t>(to, 0x0800);  // names are UTF-8
      append_little<std::uint16_t>(to, 0);       // stored
      append_little<std::uint32_t>(to,
                                   0x00210000);  // midnight, 1 January 1980: no date, so that bytes repeat
      append_little<std::uint32_t>(to, crc32(entry.bytes));
      append_little(to, static_cast<std::uint32_t>(entry.bytes.size()));
      append_little(to, static_cast<std::uint32_t>(entry.bytes.size()));
      append_little(to, static_cast<std::uint16_t>(entry.name.size()));
      append_little(to, static_cast<std::uint16_t>(extra_size));
    };
    const std::size_t offset = out.size();
    const std::size_t unpadded = offset + 30 + entry.name.size() + 4;
    const std::size_t padding = (alignment - unpadded % alignment) % alignment;
    append_little(out, detail::zip_local);
    append_common(out, 4 + padding);
    append(out, entry.name);
    append(out, "FB");  // the extra field by which PyTorch pads
    append_little(out, static_cast<std::uint16_t>(padding));
    out.resize(out.size() + padding);
    append(out, entry.bytes);

    append_little(directory, detail::zip_central);
    append_little<std::uint16_t>(directory, 20);  // version made by
    append_common(directory, 0);
    directory.resize(directory.size() + 2 + 2 + 2 + 4);  // comment, disk, attributes
    append_little(directory, static_cast<std::uint32_t>(offset));
    append(directory, entry.name);
  }
  require<FormatError>(out.size() + directory.size() < 0xffffffff,
                       "zip: the archive does not fit into 4 GiB");
  const auto count = static_cast<std::uint16_t>(entries.size());
  const auto directory_offset = static_cast<std::uint32_t>(out.size());
  append(out, directory);
  append_little(out, detail::zip_end);
  append_little<std::uint32_t>(out, 0);  // disks
  append_little(out, count);
  append_little(out, count);
  append_little(out, static_cast<std::uint32_t>(directory.size()));
  append_little(out, directory_offset);
  append_little<std::uint16_t>(out, 0);  // comment
  return out;
}

}  // namespace nlcl
