// The part of the WebAssembly interface that is used, with types of its own: @types/node for Node 20 has
// none, and TypeScript's DOM library would bring the whole browser into scope, here and for whoever imports
// the package's types. https://webassembly.github.io/threads/js-api/

/** A memory that all threads share. */
export interface SharedMemory {
  /** After grow() a new object of the new length; views on an older one keep their length and stay valid. */
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

/** Compiled code; it can be posted to workers. */
export interface CompiledModule {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module';
}

interface WebAssemblyApi {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => SharedMemory;
  readonly Module: {
    new (bytes: Uint8Array<ArrayBuffer>): CompiledModule;
    customSections(module: CompiledModule, name: string): readonly ArrayBuffer[];
  };
  readonly Instance: new (
    module: CompiledModule,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: unknown };
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
}

export const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyApi };
