// The server of examples/server answers requests, right ones and wrong ones, and ends when it is told to.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { writeModelFile } from '#softshard/main/models/model-file.js';

test('examples/server answers with classes and probabilities', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'softshard-server-'));
  const path = join(folder, 'model.safetensors');
  await writeModelFile(path, {
    features: 2,
    classes: 2,
    weights: Float32Array.of(1, -1, 0, 0),
    bias: new Float32Array(2),
    classNames: ['left', 'right'],
    featureScaling: { shift: 1, scale: 1 },
    softshardVersion: '',
  });
  const script = fileURLToPath(new URL('../../examples/server/server.js', import.meta.url));
  const server = spawn(process.execPath, [script, path, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  try {
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const [, port] = /^port (\d+): 2 features, 2 classes\n$/.exec(line.toString()) ?? [];
    const post = async (route: string, body: string) => {
      const response = await fetch(`http://localhost:${port}${route}`, { method: 'POST', body });
      return [response.status, await response.json()] as const;
    };
    expect(await post('/predict', '[1, 0]')).toEqual([200, { class: 'left', probability: 0.5 }]);
    expect(await post('/batch', '[[2, 0], [0, 0]]')).toEqual([200, { classes: ['left', 'right'] }]);
    expect(await post('/predict', '[1]')).toEqual([
      400,
      { error: expect.stringMatching(/^row has 1 elements/) },
    ]);
    expect(await post('/batch', '[[1, null]]')).toEqual([
      400,
      { error: expect.stringMatching(/^rows\[0\]\[1\] is/) },
    ]);
    expect((await post('/predict', '[1'))[0]).toBe(400);
    expect((await post('/', ''))[0]).toBe(404);
  } finally {
    server.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
  expect(server.exitCode).toBe(0);
});
