// The ranks of a run as Linux shows them, also those whose launcher is gone.
import { readdirSync, readFileSync } from 'node:fs';

/** Of processes whose arguments name the folder or what lies in it, by their ranks; launchers are none. */
export function ranksIn(folder: string): ReadonlyMap<number, number> {
  const isIn = (word: string) => word === folder || word.startsWith(`${folder}/`);
  const found = readdirSync('/proc').flatMap((name): [number, number][] => {
    const [program, ...args] = wordsIn(`/proc/${name}/cmdline`);
    if (program !== process.execPath || !args.some(isIn)) return [];
    const rank = wordsIn(`/proc/${name}/environ`).flatMap((word) => RANK.exec(word)?.[1] ?? []);
    return [[Number(rank[0] ?? 0), Number(name)]];
  });
  return new Map(found);
}

const RANK = /^(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)$/;

/** None of what is no process, or has ended. */
function wordsIn(path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1').split('\0');
  } catch {
    return [];
  }
}
