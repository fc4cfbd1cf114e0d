// The option --tensorboard, apart from what it does, so that help comes at once.

import type { Command } from 'commander';
import { outputPath } from './option-values.js';

export const addTensorBoardOption = (command: Command, more = ''): Command =>
  command.option('--tensorboard <folder>', `also write event files for TensorBoard there${more}`, outputPath);
