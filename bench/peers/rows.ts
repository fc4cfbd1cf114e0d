// Softmax, log-softmax, and cross-entropy with its gradient, in place on rows of logits: softshard in turns with PyTorch
// and with the hand-written limit in C.
import { checkClose } from '../cases/values.js';
import { GRADIENT, KERNEL, LOG_SOFTMAX, ROW_SHAPES, type Shape, SOFTMAX, shapeText } from '../targets.js';
import { startLimit } from './c-limit.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Sides } from './sides.js';
import { type Contender, NO_WAKE, type PeerRow, SHORT_WAKE, takeTurns } from './turns.js';

/** What rows-ours.ts computes. */
export type RowWork = 'softmax' | 'logSoftmax' | 'crossEntropyGradient' | 'kernel';

interface Compared {
  readonly work: string;
  readonly ours: RowWork;
  /** In rows-torch.py. */
  readonly torch: readonly string[];
}

const COMPARED: readonly Compared[] = [
  { work: GRADIENT, ours: 'crossEntropyGradient', torch: ['autograd', 'by hand'] },
  { work: SOFTMAX, ours: 'softmax', torch: ['softmax'] },
  { work: LOG_SOFTMAX, ours: 'logSoftmax', torch: ['log_softmax'] },
];

/** Of the results: all over them, and at targets. */
const ELEMENTS_CHECKED = 1000;
/** Up to here the kernel is timed alone as well: sending a worker there takes longer. */
const IN_CACHE_ELEMENTS = 1e5;
/** Larger matrices have fewer rounds: their turns are long, and so is making them. */
const LARGE = { elements: 1e8, mostRounds: 3 };
/** What is done as one turn, so that the clock is exact. */
const TURN_ELEMENTS = 50e6;
/** Of a quick run. */
const QUICK = { mostElements: 1e6, turnElements: 1e6 };

const CHECKED = [
  `${ELEMENTS_CHECKED} elements of each result, and the loss, agree within 1e-5 on all shapes.`,
];

export async function compareRows(sides: Sides, options: PeerOptions, pythons: Pythons): Promise<void> {
  const { peers, filter, quick } = options;
  await sides.addOurs('rows-ours.js', ['softshard', 'softshard wide']);
  if (peers.includes('torch')) {
    await sides.add('PyTorch', async () => PeerProcess.python(pythons.with('torch'), 'rows-torch.py'));
  }
  if (peers.includes('c-limit')) await sides.add('C limit', async () => startLimit());
  const shapes = ROW_SHAPES.filter((one) => !quick || one.rows * one.columns <= QUICK.mostElements);
  for (const shape of shapes.filter((one) => shapeText(one).includes(filter))) {
    for (const compared of COMPARED) {
      await sides.measure(`${compared.work}, ${shapeText(shape)}`, async () => ({
        rows: await compareWork(sides, shape, compared, options),
        remarks: CHECKED,
      }));
    }
  }
}

async function compareWork(
  sides: Sides,
  shape: Shape,
  compared: Compared,
  { rounds: wanted, threads, quick }: PeerOptions,
): Promise<PeerRow[]> {
  const { rows, columns } = shape;
  const rounds = rows * columns > LARGE.elements ? Math.min(wanted, LARGE.mostRounds) : wanted;
  const turnElements = quick ? QUICK.turnElements : TURN_ELEMENTS;
  const repeats = Math.max(1, Math.round(turnElements / (rows * columns)));
  const wake = quick ? NO_WAKE : SHORT_WAKE;
  await checkWork(sides, shape, compared, threads);

  const asked = (by: Contender['by'], setting: string, count: number): Contender => {
    const peer = sides.get(by)!;
    const request = { do: 'run', setting, threads: count, repeats };
    const turn = () =>
      by === 'C limit'
        ? peer.askLine<{ ms: number }>(`run ${setting} ${count} 1 ${repeats}`)
        : peer.ask<{ ms: number }>(request);
    // The only way of ours and of the limit needs no name.
    return { by, setting: by === 'PyTorch' ? setting : '', threads: count, turn };
  };
  const ofOurs = (setting: RowWork, count: number) => sides.ours().map(([by]) => asked(by, setting, count));
  const ofLimit = (count: number) =>
    sides.get('C limit') === undefined ? [] : [asked('C limit', compared.ours, count)];
  const ofTorch = (count: number) =>
    sides.get('PyTorch') === undefined
      ? []
      : compared.torch.map((setting) => asked('PyTorch', setting, count));

  const contenders = threads.flatMap((count) => [
    ...ofOurs(compared.ours, count),
    ...ofTorch(count),
    ...ofLimit(count),
  ]);
  const work = { work: compared.work, shape: shapeText(shape) };
  const measured = await takeTurns(work, contenders, rounds, wake);
  if (compared.work !== GRADIENT || rows * columns > IN_CACHE_ELEMENTS) return measured;
  const kernels = [...ofOurs('kernel', 1), ...ofLimit(1)];
  const kernelWork = { work: KERNEL, shape: shapeText(shape) };
  return [...measured, ...(await takeTurns(kernelWork, kernels, rounds, wake))];
}

/** Everybody starts from the same logits, and must arrive at the same loss and elements. */
async function checkWork(
  sides: Sides,
  { rows, columns }: Shape,
  { ours, torch }: Compared,
  threads: readonly number[],
): Promise<void> {
  const indices = Array.from({ length: ELEMENTS_CHECKED }, (_, count) => {
    const row = Math.floor((count * (rows - 1)) / (ELEMENTS_CHECKED - 1));
    const column = count % 2 === 0 ? (row * 7919 + 3) % columns : (count * 31) % columns;
    return row * columns + column;
  });
  type Reply = { readonly loss: number | null; readonly values: number[] };
  const replies: [what: string, reply: Reply][] = [];
  const pytorch = sides.get('PyTorch');
  for (const setting of pytorch === undefined ? [] : torch) {
    await pytorch!.ask({ do: 'prepare', rows, columns });
    replies.push([`PyTorch, ${setting}`, await pytorch!.ask<Reply>({ do: 'check', setting, indices })]);
  }
  for (const [by, peer] of sides.ours()) {
    await peer.ask({ do: 'prepare', rows, columns, threads });
    for (const count of threads) {
      const reply = await peer.ask<Reply>({ do: 'check', setting: ours, threads: count, indices });
      replies.push([`${by}, ${count} threads`, reply]);
    }
  }
  const inC = sides.get('C limit');
  if (inC !== undefined) {
    await inC.askLine(`prepare ${rows} ${columns}`);
    const reply = await inC.askLine<{ loss: number; values: number[] }>(`check ${ours} ${indices.join(' ')}`);
    replies.push(['C limit', { ...reply, loss: ours === 'crossEntropyGradient' ? reply.loss : null }]);
  }
  const [[, expected]] = replies as [[string, Reply]];
  for (const [who, { loss, values }] of replies) {
    const what = `${ours}, ${rows} × ${columns}, ${who}`;
    if (loss !== null) {
      checkClose(`${what}: loss`, [loss], [expected.loss!], { relative: 1e-5, absolute: 0 });
    }
    // Of the gradient p - 1 may cancel at targets, of the logarithm the maximum: hence the absolute part.
    const absolute = ours === 'logSoftmax' ? 1e-5 : 1e-6 / rows;
    checkClose(`${what}: elements`, values, expected.values, { relative: 1e-5, absolute });
  }
}
