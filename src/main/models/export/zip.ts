// Writes zip archives of members that are stored as they are, as numpy.savez does.
// Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT

import { crc32 } from 'node:zlib';
import type { Write } from '../../outputs/write-atomically.js';

/** Larger archives need zip64. */
export const MAX_ARCHIVE_BYTES = 2 ** 32 - 1;

export interface ZipMember {
  /** ASCII. */
  readonly name: string;
  readonly parts: readonly Uint8Array[];
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;
/** 2.0. */
const VERSION = 20;
/** 1 January 1980, the first day that zip knows: equal content makes equal files. */
const DATE = (1 << 5) | 1;

/** All headers and members. */
export const archiveBytes = (members: readonly ZipMember[]): number =>
  members.reduce((sum, { name, parts }) => sum + 30 + 46 + 2 * name.length + sizeOf(parts), 22);

/** Of less than MAX_ARCHIVE_BYTES. */
export async function writeZip(write: Write, members: readonly ZipMember[]): Promise<void> {
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, parts } of members) {
    const common = commonHeader(name, parts);
    const local = Buffer.concat([uint32(LOCAL_HEADER), common, Buffer.from(name)]);
    // Comment, disk and attributes: none; then where the member is.
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    central.push(uint32(CENTRAL_HEADER), uint16(VERSION), common, rest, Buffer.from(name));
    await write(local);
    for (const part of parts) await write(part);
    offset += local.length + sizeOf(parts);
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  await write(Buffer.concat([directory, end]));
}

/** What both headers of a member have: version, flags, method, time, date, checksum, sizes, lengths of name and extra field. */
function commonHeader(name: string, parts: readonly Uint8Array[]): Buffer {
  const size = sizeOf(parts);
  const header = Buffer.alloc(26);
  header.writeUInt16LE(VERSION);
  header.writeUInt16LE(DATE, 8);
  header.writeUInt32LE(
    parts.reduce((checksum, part) => crc32(part, checksum), 0),
    10,
  );
  header.writeUInt32LE(size, 14);
  header.writeUInt32LE(size, 18);
  header.writeUInt16LE(name.length, 22);
  return header;
}

const sizeOf = (parts: readonly Uint8Array[]): number =>
  parts.reduce((sum, part) => sum + part.byteLength, 0);

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
