// Cross-entropy with its gradient by the logits, softshard against PyTorch in turns on the same values.
import { NUMERICS, type Numerics, supportsNumerics } from '#softshard/kernels/load.js';
import { Engine, type Matrix, type Vector } from '#softshard/main/index.js';
import { checkClose } from '../cases/values.js';
import type { PeerCase } from './fashion-mnist.js';
import type { PeerOptions } from './options.js';
import { PythonPeer } from './python-peer.js';
import { type Contender, type PeerRow, takeTurns } from './turns.js';

const SHAPES = [
  { rows: 65536, columns: 10 },
  { rows: 65536, columns: 1000 },
  { rows: 4096, columns: 32768 },
] as const;

/** Elements of the gradient that are compared: all over it, and at targets. */
const ELEMENTS_CHECKED = 1000;

/** Weyl's sequence in [-4, 4): easy to make in any language. */
const peerLogit = (index: number): number => ((Math.imul(index, 0x9e3779b1) >>> 0) / 2 ** 32) * 8 - 4;
const peerTarget = (row: number, columns: number): number => (row * 7919 + 3) % columns;

interface Operands {
  readonly engine: Engine;
  readonly logits: Matrix;
  readonly targets: Vector<'int32'>;
  readonly output: Matrix;
}

export async function compareCrossEntropy(options: PeerOptions): Promise<PeerCase> {
  const peer = await PythonPeer.start(options.python, 'cross-entropy-torch.py');
  const builds = NUMERICS.filter(supportsNumerics);
  const engines = await Promise.all(
    builds.flatMap((numerics: Numerics) =>
      options.threads.map((threads) => Engine.create({ numerics, threads })),
    ),
  );
  try {
    const rows: PeerRow[] = [];
    for (const shape of SHAPES) {
      process.stderr.write(`cross-entropy and gradient, ${shape.rows} × ${shape.columns}\n`);
      rows.push(...(await compareShape(peer, engines, shape, options)));
    }
    const remark = `Loss and ${ELEMENTS_CHECKED} elements of the gradient agree within 1e-5 on all shapes.`;
    return { rows, remarks: [remark], version: peer.version };
  } finally {
    await Promise.all([peer.close(), ...engines.map((engine) => engine.close())]);
  }
}

async function compareShape(
  peer: PythonPeer,
  engines: readonly Engine[],
  { rows, columns }: (typeof SHAPES)[number],
  { rounds, threads }: PeerOptions,
): Promise<PeerRow[]> {
  const prepared: Operands[] = [];
  try {
    await peer.ask({ do: 'prepare', rows, columns });
    for (const engine of engines) prepared.push(prepare(engine, rows, columns));
    await checkShape(peer, prepared, rows, columns);
    const ours = prepared.map(
      (operands): Contender => ({
        name: `softshard ${operands.engine.numerics}`,
        threads: operands.engine.threads,
        isPeer: false,
        turn: () => timeGradient(operands),
      }),
    );
    const theirs = [...new Set([1, Math.max(...threads)])].map(
      (count): Contender => ({
        name: 'PyTorch',
        threads: count,
        isPeer: true,
        turn: () => peer.ask<{ ms: number }>({ do: 'run', threads: count }),
      }),
    );
    return await takeTurns(`cross-entropy + gradient, ${rows} × ${columns}`, [...ours, ...theirs], rounds);
  } finally {
    for (const { logits, targets, output } of prepared)
      for (const array of [output, targets, logits]) array.free();
  }
}

function prepare(engine: Engine, rows: number, columns: number): Operands {
  const logits = engine.matrix(rows, columns);
  const { data } = logits;
  for (let index = 0; index < data.length; index++) data[index] = peerLogit(index);
  const targets = engine.vector(rows, 'int32');
  for (let row = 0; row < rows; row++) targets.data[row] = peerTarget(row, columns);
  return { engine, logits, targets, output: engine.matrix(rows, columns) };
}

async function timeGradient({ engine, logits, targets, output }: Operands): Promise<{ ms: number }> {
  const begin = performance.now();
  await engine.crossEntropyGradient(logits, targets, { into: output });
  return { ms: performance.now() - begin };
}

async function checkShape(
  peer: PythonPeer,
  prepared: readonly Operands[],
  rows: number,
  columns: number,
): Promise<void> {
  const indices = Array.from({ length: ELEMENTS_CHECKED }, (_, count) => {
    const row = Math.floor((count * (rows - 1)) / (ELEMENTS_CHECKED - 1));
    const column = count % 2 === 0 ? peerTarget(row, columns) : (count * 31) % columns;
    return row * columns + column;
  });
  const expected = await peer.ask<{ loss: number; gradient: number[] }>({ do: 'check', indices });
  for (const { engine, logits, targets, output } of prepared) {
    const { loss } = await engine.crossEntropyGradient(logits, targets, { into: output });
    const gradient = indices.map((index) => output.data[index]!);
    const what = `${engine.numerics}, ${engine.threads} threads, ${rows} × ${columns}`;
    checkClose(`${what}: loss`, [loss], [expected.loss], { relative: 1e-5, absolute: 0 });
    // At targets p - 1 may cancel, hence the absolute part in units of the scale.
    const tolerance = { relative: 1e-5, absolute: 1e-6 / rows };
    checkClose(`${what}: gradient`, gradient, expected.gradient, tolerance);
  }
}
