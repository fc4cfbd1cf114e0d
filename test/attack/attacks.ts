// All attacks, in the order in which a long run makes them.
import type { Attack } from './attack.js';
import { bombs } from './bombs.js';
import { cancels } from './cancels.js';
import { diskTraining } from './disk-training.js';
import { faults } from './faults.js';
import { files } from './files.js';
import { jobs } from './jobs.js';
import { kills } from './kills.js';
import { poison } from './poison.js';
import { ranks } from './ranks.js';
import { runs } from './runs.js';
import { settings } from './settings.js';

export const ATTACKS: readonly Attack[] = [
  faults,
  jobs,
  cancels,
  kills,
  runs,
  ranks,
  poison,
  settings,
  diskTraining,
  bombs,
  files,
];
