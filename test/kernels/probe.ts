// AssemblyScript that only a test needs, compiled as the build it speaks for.

import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** test/kernels/assembly/<name>.ts with the options of a build. */
export async function compileProbe(name: string, target: string): Promise<Uint8Array<ArrayBuffer>> {
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(
    [`test/kernels/assembly/${name}.ts`, '--config', 'asconfig.json', '--target', target, '--baseDir', root],
    {
      writeFile: (file: string, contents: Uint8Array | string) => {
        if (file.endsWith('.wasm') && typeof contents !== 'string') binary = Uint8Array.from(contents);
      },
    },
  );
  if (error !== null || binary === undefined) throw new Error(`asc: ${stderr.toString()}`, { cause: error });
  return binary;
}
