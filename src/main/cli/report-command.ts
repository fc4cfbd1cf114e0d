// The options and help text of softshard report.

import type { Command } from 'commander';
import { addVerbosityOptions, outputOption } from './command-options.js';
import { path } from './option-values.js';
import type { ReportCommandFlags } from './report.js';

export function addReport(command: Command): void {
  command
    .description('Make one HTML page of a run: curves, choices, confusion, calibration, cost.')
    .argument('<directory>', 'what train --run or sweep --run has written, or is writing', path)
    .addOption(outputOption('where to write the page, - for standard output (default: report.html there)'));
  addVerbosityOptions(command)
    .addHelpText(
      'after',
      `
The page needs no network and no other file. What the run has not written is
left out; of a run that goes on it shows what there is so far.

Examples:
  softshard report runs/iris
  softshard report runs/iris --output iris.html`,
    )
    .action(async (directory: string, flags: ReportCommandFlags) =>
      (await import('./report.js')).report(directory, flags),
    );
}
