// A command that says which option is unknown before it says which is missing: a misspelled one is both.

import { Command } from 'commander';
import { nearestName } from '../../nearest-name.js';

const isLong = (flag: string | undefined): flag is string => flag?.startsWith('--') ?? false;

/** --learning-rate -> --lr */
const initialsOf = (flag: string): string =>
  `--${flag
    .slice(2)
    .split('-')
    .map((word) => word[0])
    .join('')}`;

/** What other tools call ours. */
const OURS: Readonly<Record<string, string>> = {
  '--model': '--output',
  '--save': '--output',
  '--target': '--label',
  '--input': '--data',
};

export class SoftshardCommand extends Command {
  override createCommand(name?: string): SoftshardCommand {
    return new SoftshardCommand(name);
  }

  override parseOptions(argv: string[]): ReturnType<Command['parseOptions']> {
    const parsed = super.parseOptions(argv);
    const { unknown } = parsed;
    // A program with commands leaves their options to them.
    if (this.commands.length > 0 || unknown.includes('-h') || unknown.includes('--help')) return parsed;
    const flag = unknown.find((word) => /^-[^\d.]/.test(word));
    if (flag !== undefined) this.#refuse(flag.split('=')[0]!);
    const [surplus] = parsed.operands;
    if (surplus !== undefined && this.registeredArguments.length === 0) this.#refuseSurplus(surplus);
    return parsed;
  }

  #refuse(flag: string): never {
    // A second long name of an option is its "short" one.
    const flags = this.options.flatMap(({ short, long }) => [short, long]).filter(isLong);
    const nearest =
      flags.find((long) => initialsOf(long) === flag || OURS[flag] === long) ??
      nearestName(flag, flags) ??
      flags.find((long) => flag.length > 3 && long.startsWith(flag));
    const hint = nearest === undefined ? '' : `\n(Did you mean ${nearest}?)`;
    this.error(`error: unknown option '${flag}'${hint}`, { code: 'commander.unknownOption' });
  }

  /** A shell that finds files for a pattern gives the names of all. */
  #refuseSurplus(word: string): never {
    const hint = /[./]/.test(word) ? "\n(Put a pattern in quotes: 'folder/*.csv'.)" : '';
    const message = `error: too many arguments for '${this.name()}': '${word}' belongs to no option${hint}`;
    this.error(message, { code: 'commander.excessArguments' });
  }
}
