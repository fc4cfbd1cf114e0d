// What fills TensorBoard's HParams tab: an experiment, and of each session its hyperparameters, begin and end.
// Source: tensorboard/plugins/hparams/api.proto and plugin_data.proto; Value is google/protobuf/struct.proto's.
import { Message } from '../../models/export/protobuf.js';
import type { EventFile } from './event-file.js';

export type HParam = number | string | boolean;
export type HParams = Readonly<Record<string, HParam>>;

const PLUGIN = 'hparams';
const DATA_VERSION = 0;
const DataType = { string: 1, bool: 2, float64: 3 } as const;
const Status = { success: 1, failure: 2, running: 3 } as const;

/** The hyperparameters of all sessions, and the tags of the scalars that they are compared by. */
export function writeExperiment(
  file: EventFile,
  sessions: readonly HParams[],
  metrics: readonly string[],
  seconds: number,
): void {
  const experiment = new Message().double(3, seconds);
  for (const name of new Set(sessions.flatMap((hparams) => Object.keys(hparams)))) {
    const values = [...new Set(sessions.flatMap((hparams) => (name in hparams ? [hparams[name]!] : [])))];
    experiment.message(4, hparamInfo(name, values));
  }
  for (const tag of metrics) {
    experiment.message(5, new Message().message(1, new Message().string(2, tag)));
  }
  write(file, 'experiment', 2, experiment);
}

function hparamInfo(name: string, values: readonly HParam[]): Message {
  const types = new Set(values.map((value) => typeof value));
  const type =
    types.size > 1 || types.has('string')
      ? DataType.string
      : types.has('boolean')
        ? DataType.bool
        : DataType.float64;
  const info = new Message().string(1, name).integer(4, type);
  const domain = new Message();
  for (const value of values) domain.message(1, protoValue(type === DataType.string ? String(value) : value));
  return info.message(5, domain);
}

/** `group` names sessions that are told apart by name only. */
export function writeSessionStart(file: EventFile, hparams: HParams, group: string, seconds: number): void {
  const start = new Message();
  for (const [name, value] of Object.entries(hparams)) {
    start.message(1, new Message().string(1, name).message(2, protoValue(value)));
  }
  write(file, 'session_start_info', 3, start.string(4, group).double(5, seconds));
}

export function writeSessionEnd(file: EventFile, hasSucceeded: boolean, seconds: number): void {
  const status = hasSucceeded ? Status.success : Status.failure;
  write(file, 'session_end_info', 4, new Message().integer(1, status).double(2, seconds));
}

function protoValue(value: HParam): Message {
  if (typeof value === 'number') return new Message().double(2, value);
  if (typeof value === 'string') return new Message().string(3, value);
  return new Message().integer(4, value ? 1 : 0);
}

const write = (file: EventFile, tag: string, field: number, content: Message): void =>
  file.pluginData(`_hparams_/${tag}`, PLUGIN, new Message().integer(1, DATA_VERSION).message(field, content));
