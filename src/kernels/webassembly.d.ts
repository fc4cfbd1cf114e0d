// The part of the WebAssembly interface that we use: @types/node for Node 20 has none, and TypeScript's DOM library
// would bring the whole browser into scope. https://webassembly.github.io/threads/js-api/
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    /** After grow() a new object of the new length; views on an older one keep their length and stay valid. */
    readonly buffer: SharedArrayBuffer;
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
    static exports(module: Module): { name: string; kind: string }[];
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
}
