#!/usr/bin/env node
// The command `softshard`.

import { ExitCode } from './failures.js';
import { unwatchSignals, watchSignals } from './interruption.js';

watchSignals();
// Before loading, which takes a while.
const { runCommandLine } = await import('./program.js');
const code = await runCommandLine(process.argv.slice(2));
unwatchSignals();
// A reader that takes nothing would keep an interrupted command alive.
if (code === ExitCode.interrupted || code === ExitCode.terminated) process.exit(code);
// Not process.exit: output on its way to a pipe must still get out.
process.exitCode = code;
