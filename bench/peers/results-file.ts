// The results of a run, on disk from the first case on: a run that ends early keeps what it has.
import { writeResults } from '../result-files.js';
import { type Part, type PeerResults, peersMarkdown, withPart } from './results.js';

export class ResultsFile {
  readonly #path: string;
  #results: PeerResults;

  /** Nothing is written before there is something new. */
  constructor(path: string, results: PeerResults) {
    this.#path = path;
    this.#results = results;
  }

  get results(): PeerResults {
    return this.#results;
  }

  add(part: Partial<Part>): void {
    this.#set(withPart(this.#results, part));
  }

  finish(): void {
    this.#set({ ...this.#results, finished: true });
  }

  #set(results: PeerResults): void {
    this.#results = results;
    writeResults(this.#path, results, peersMarkdown(results));
  }
}
