// The part of yauzl that npz files need; it has no types of its own.

declare module 'yauzl' {
  export type Callback = (error?: Error | null) => void;

  export class RandomAccessReader {
    read(buffer: Buffer, offset: number, length: number, position: number, callback: Callback): void;
  }

  export interface Entry {
    readonly fileName: string;
    /** 0: stored, 8: deflated. */
    readonly compressionMethod: number;
    readonly compressedSize: number;
    readonly uncompressedSize: number;
    readonly crc32: number;
    isEncrypted(): boolean;
  }

  export interface ZipFile {
    readonly entryCount: number;
    on(event: 'entry', listener: (entry: Entry) => void): void;
    on(event: 'end', listener: () => void): void;
    on(event: 'error', listener: (error: Error) => void): void;
    readEntry(): void;
    readLocalFileHeader(
      entry: Entry,
      options: { readonly minimal: true },
      callback: (error: Error | null, header?: { readonly fileDataStart: number }) => void,
    ): void;
  }

  export function fromRandomAccessReader(
    reader: RandomAccessReader,
    totalSize: number,
    options: { readonly lazyEntries: true },
    callback: (error: Error | null, zipfile?: ZipFile) => void,
  ): void;
}
