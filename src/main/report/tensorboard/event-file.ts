// An event file as TensorBoard reads it: records of protobuf messages, appended as they come, so that it can be followed.
// Sources: tensorflow/core/lib/io/record_writer.h, core/protobuf/event.proto (core/util/event.proto; SessionLog), framework/summary.proto.
import { appendFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { messageOf, SoftshardError } from '../../../errors.js';
import { Message } from '../../models/export/protobuf.js';
import { makeFolder } from '../../outputs/make-folder.js';
import { maskedCrc32c } from './crc32c.js';

/** What readers tell files of this kind by. */
const FILE_VERSION = 'brain.Event:2';
/** SessionLog.START. */
const SESSION_START = 1;
const FLUSH_BYTES = 65_536;
const FLUSH_MS = 1000;

let opened = 0;

export class EventFile {
  readonly path: string;
  readonly #now: () => number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #lastFlush: number;
  #failure: unknown;
  #isOpen = true;
  #hasScalars = false;

  /** A new file in `folder`, which is made. `now` gives the time in milliseconds. Throws ERR_FILE. */
  constructor(folder: string, now: () => number = Date.now) {
    this.#now = now;
    this.#lastFlush = now();
    const seconds = String(Math.floor(this.#lastFlush / 1000)).padStart(10, '0');
    // Another host, process or file of the same second has another name.
    this.path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${opened++}`);
    try {
      makeFolder(folder);
      writeFileSync(this.path, '', { flag: 'wx' });
    } catch (cause) {
      throw this.#error(cause);
    }
    this.#record(this.#event().string(3, FILE_VERSION));
    this.flush();
  }

  /** Values of names at a step (of an optimizer, an epoch, a pass, …). NaN and infinities are kept as they are. */
  scalars(step: number, values: Readonly<Record<string, number | null | undefined>>): void {
    const summary = new Message();
    let count = 0;
    for (const [tag, value] of Object.entries(values)) {
      if (value === undefined || value === null) continue;
      count++;
      summary.message(1, new Message().string(1, tag).float(2, value));
    }
    if (count === 0) return;
    // Readers leave out what files before this one have of later steps: a run that goes on from a checkpoint comes to them again.
    if (!this.#hasScalars) {
      this.#record(this.#event().integer(2, step).message(7, new Message().integer(1, SESSION_START)));
    }
    this.#hasScalars = true;
    this.#record(this.#event().integer(2, step).message(5, summary));
  }

  /** What a plugin of TensorBoard reads. */
  pluginData(tag: string, plugin: string, content: Message): void {
    const metadata = new Message().message(1, new Message().string(1, plugin).message(2, content));
    const value = new Message().string(1, tag).message(9, metadata);
    this.#record(this.#event().message(5, new Message().message(1, value)));
  }

  /** Opens the file each time: a sweep may have more of them than a process may have open. What cannot be written is told of by close(). */
  flush(): void {
    this.#lastFlush = this.#now();
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (this.#failure !== undefined || !this.#isOpen) return;
    try {
      appendFileSync(this.path, bytes);
    } catch (error) {
      this.#failure = error;
    }
  }

  /** Throws ERR_FILE if not everything could be written. A second call does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.flush();
    this.#isOpen = false;
    if (this.#failure !== undefined) throw this.#error(this.#failure);
  }

  #event(): Message {
    return new Message().double(1, this.#now() / 1000);
  }

  /** Length, its CRC, the message, its CRC; numbers are little-endian. */
  #record(event: Message): void {
    const content = event.toBuffer();
    const record = Buffer.alloc(content.length + 16);
    record.writeBigUInt64LE(BigInt(content.length), 0);
    record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
    content.copy(record, 12);
    record.writeUInt32LE(maskedCrc32c(content), content.length + 12);
    this.#pending.push(record);
    this.#pendingBytes += record.length;
    if (this.#pendingBytes >= FLUSH_BYTES || this.#now() - this.#lastFlush >= FLUSH_MS) this.flush();
  }

  #error(cause: unknown): SoftshardError {
    const message = `${this.path}: cannot be written: ${messageOf(cause)}`;
    return new SoftshardError('ERR_FILE', message, { value: this.path, cause });
  }
}
