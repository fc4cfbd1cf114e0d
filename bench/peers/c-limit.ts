// The hand-written limit: ce-limit.c, compiled for this machine and asked in its own words.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { repositoryFile } from '../result-files.js';
import { PeerProcess, PeerUnavailable } from './peer-process.js';

const REMEDY = 'it needs gcc with OpenMP (Debian: apt install gcc) and a processor with AVX2 and FMA';

/** Rejects with PeerUnavailable where it cannot be compiled. */
export function startLimit(): Promise<PeerProcess> {
  const [source, program] = [repositoryFile('bench/peers/ce-limit.c'), repositoryFile('.bench/ce-limit')];
  mkdirSync(repositoryFile('.bench'), { recursive: true });
  const flags = ['-O3', '-march=native', '-fopenmp'];
  try {
    execFileSync('gcc', [...flags, source, '-o', program, '-lm'], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (cause) {
    throw new PeerUnavailable(
      `ce-limit.c cannot be compiled (${(cause as Error).message.trim()}): ${REMEDY}`,
      {
        cause,
      },
    );
  }
  return PeerProcess.start(program, [], { remedy: REMEDY });
}
