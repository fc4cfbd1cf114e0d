// A run that several ranks train together: rank 0 alone reads and writes its folder. The others know what training goes on from, as
// their disk may be another one.
import { deserialize, serialize } from 'node:v8';
import type { Checkpoint, CheckpointOptions } from '../training/checkpoint/checkpoint.js';
import { decodeCheckpoint, encodeCheckpoint } from '../training/checkpoint/checkpoint-bytes.js';
import { RunDirectory, type RunFacts } from './run-directory.js';
import type { RunState } from './run-files.js';

interface ToldRun extends Pick<RunFacts, 'folder' | 'config' | 'environment'> {
  readonly state: RunState;
  readonly latestName: string | undefined;
  readonly latest: Uint8Array | undefined;
}

/** For the other ranks. */
export function tellOfRun(run: RunDirectory): Uint8Array {
  const { folder, config, environment, state, latestName } = run;
  const latest = run.latestCheckpoint && encodeCheckpoint(run.latestCheckpoint);
  return serialize({ folder, config, environment, state, latestName, latest } satisfies ToldRun);
}

/** What tellOfRun of rank 0 gave, on another rank. */
export const followRun = (told: Uint8Array, options: OwnOptions): RunDirectory =>
  new RunOfRank0(deserialize(told) as ToldRun, options);

type OwnOptions = Pick<RunFacts, 'checkpointEvery' | 'onWarning'>;

/** Where rank 0 writes, this writes nothing. */
class RunOfRank0 extends RunDirectory {
  #ownState: RunState;
  readonly #name: string | undefined;
  readonly #checkpoint: Checkpoint | undefined;
  readonly #everySeconds: number | undefined;

  constructor({ folder, config, environment, state, latestName, latest }: ToldRun, options: OwnOptions) {
    // The time is written with what rank 0 writes.
    super({ folder, config, environment, startedAt: '', ...options }, undefined);
    this.#ownState = state;
    this.#name = latestName;
    this.#checkpoint = latest && decodeCheckpoint(latest, folder);
    this.#everySeconds = options.checkpointEvery;
  }

  override get state(): RunState {
    return this.#ownState;
  }

  override get latestName(): string | undefined {
    return this.#name;
  }

  override get latestCheckpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  override get trainingOptions(): { checkpoint: CheckpointOptions; resumeFrom?: Checkpoint } {
    const everySeconds = this.#everySeconds;
    const resumeFrom = this.#checkpoint;
    return {
      checkpoint: { onCheckpoint: () => {}, ...(everySeconds !== undefined && { everySeconds }) },
      ...(resumeFrom && { resumeFrom }),
    };
  }

  override log(): void {}
  override note(): void {}
  override async keep(): Promise<void> {}
  override async restore(): Promise<void> {}
  override finish(): Promise<void> {
    return this.#end('finished');
  }
  override interrupt(): Promise<void> {
    return this.#end('interrupted');
  }
  override fail(): Promise<void> {
    return this.#end('failed');
  }

  async #end(state: RunState): Promise<void> {
    if (this.#ownState === 'running') this.#ownState = state;
  }
}
