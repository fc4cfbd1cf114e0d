// What each rank runs in mpi.test.ts: the scenario that the first argument names.
import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { inProcessTransports, openMpi } from '#softshard/main/index.js';

const [scenario, number] = process.argv.slice(2);

/** Sums of branches of all kinds, of the ranks' own transport or of ranks in one process, as a digest. */
async function digestOfSums({ rank, ranks }, treeSum) {
  const hash = createHash('sha256');
  for (const Values of [Float32Array, Float64Array]) {
    for (const [count, length] of [
      [1, 1],
      [5, 3],
      [16, 1000],
      [16, 1001],
      [37, 257],
    ]) {
      const [begin, end] = [Math.floor((count * rank) / ranks), Math.floor((count * (rank + 1)) / ranks)];
      const branchOf = (branch) =>
        Values.from({ length }, (_, i) => Math.sin(1 + branch * 131 + i * 0.7) * 10 ** ((branch + i) % 7));
      const branches = Array.from({ length: end - begin }, (_, i) => branchOf(begin + i));
      const into = branches[0] ?? new Values(length);
      await treeSum({ begin, branches, into }, count);
      hash.update(new Uint8Array(into.buffer));
    }
  }
  return hash.digest('hex');
}

if (scenario === 'alone') {
  const digests = await Promise.all(
    inProcessTransports(Number(number)).map((one) =>
      digestOfSums(one, (own, count) => one.treeSum(own, count)),
    ),
  );
  console.log(new Set(digests).size === 1 ? digests[0] : 'ranks differ');
  process.exit();
}
const transport = await openMpi(number === undefined ? {} : { watchdogSeconds: Number(number) });
const { rank } = transport;
const isVictim = rank === transport.ranks - 1;
switch (scenario) {
  case 'sums': {
    const digest = await digestOfSums(transport, (own, count) => transport.treeSum(own, count));
    const bytes = await transport.allGather(new Uint8Array(3 * rank).fill(rank));
    const same = await transport.broadcast(rank === 0 ? new TextEncoder().encode(digest) : undefined);
    const isRight = bytes.every((own, from) => own.length === 3 * from && own.every((byte) => byte === from));
    const isSame = new TextDecoder().decode(same) === digest;
    console.log(isRight && isSame ? digest : `wrong: ${digest}`);
    await transport.close();
    break;
  }
  case 'killed':
    if (isVictim) process.kill(process.pid, 'SIGKILL');
    await transport.barrier();
    break;
  case 'exits':
    if (isVictim) process.exit(0);
    await transport.barrier();
    break;
  case 'throws':
    if (isVictim) throw new Error('a mistake in the program');
    await transport.barrier();
    break;
  case 'ends':
    // Without close(), but for what the others wait for.
    if (!isVictim) await transport.barrier();
    break;
  case 'hangs':
    if (isVictim) await setTimeout(100_000);
    await transport.barrier();
    break;
  case 'meets':
    // Until something ends it.
    for (let call = 0; ; call++) {
      await transport.barrier();
      if (call === 0) console.log('met');
      await setTimeout(20);
    }
  case 'fails': {
    const told = isVictim
      ? await transport.fail(new Error('no such file'))
      : await transport.barrier().catch((error) => `${error.rank}: ${error.message}`);
    await transport.close();
    console.log(String(told));
    break;
  }
  default:
    throw new Error(`no scenario ${scenario}`);
}
