// Which fields of records, or columns of a table, are the features and which is the label.

import { SoftshardError } from '../../errors.js';
import { listed, quoted } from '../../printable.js';
import { areStrings, inspectValue } from '../checks.js';

/** How rows that are records, or a table with named columns, are to be read. */
export interface RecordOptions {
  /**
   * The field that holds the features of a row as an array, or the fields with a number each. Default: those that the model
   * names; else the only field that is an array, or all fields but the label.
   */
  features?: string | readonly string[] | undefined;
  /** The field that holds the label. Default 'label'. */
  label?: string | undefined;
}

export const RECORD_OPTION_NAMES = ['features', 'label'] as const satisfies readonly (keyof RecordOptions)[];

export interface CheckedRecordOptions {
  readonly features: string | readonly string[] | undefined;
  readonly label: string | undefined;
}

export function checkRecordOptions({ features, label }: RecordOptions): CheckedRecordOptions {
  if (label !== undefined && typeof label !== 'string') {
    throw optionError('label', label, 'it must be the name of a field');
  }
  const isList = Array.isArray(features) && features.length > 0 && areStrings(features);
  if (features !== undefined && typeof features !== 'string' && !isList) {
    throw optionError(
      'features',
      features,
      'it must be the name of a field that is an array, or an array of names',
    );
  }
  return { features: Array.isArray(features) ? Object.freeze([...features]) : features, label };
}

function optionError(name: string, value: unknown, rule: string): SoftshardError {
  const argument = `options.${name}`;
  return new SoftshardError('ERR_OPTION', `${argument} is ${inspectValue(value)}: ${rule}`, {
    argument,
    value,
  });
}

/** What a field holds: the features of a row, a number, or else. */
export type FieldKind = 'row' | 'number' | undefined;

export interface ChosenFields {
  /** The one field that is an array, or those with a number each. */
  readonly features: string | readonly string[];
  readonly label: string | undefined;
}

export interface FieldsWanted {
  readonly argument: string;
  readonly options: CheckedRecordOptions;
  /** Those of the model. */
  readonly featureNames: readonly string[] | undefined;
  readonly wantsLabels: boolean;
}

/** Throws ERR_OPTION where a field that is wanted is not there, or none can be chosen. */
export function chooseFields(
  names: readonly string[],
  kindOf: (name: string) => FieldKind,
  { argument, options, featureNames, wantsLabels }: FieldsWanted,
): ChosenFields {
  const label = options.label ?? (names.includes('label') ? 'label' : undefined);
  const missing = (name: string, option: string) => {
    const message = `${argument} has no field ${quoted(name)} (${option}): its fields are ${listed(names)}`;
    return new SoftshardError('ERR_OPTION', message, { argument: option, value: name });
  };
  if (wantsLabels && (label === undefined || !names.includes(label))) {
    throw missing(label ?? 'label', 'options.label');
  }
  const asked = options.features ?? knownFeatures(featureNames, names);
  if (asked !== undefined) {
    const gap = [asked].flat().find((name) => !names.includes(name));
    if (gap !== undefined) throw missing(gap, 'options.features');
    return { features: typeof asked === 'string' && kindOf(asked) !== 'row' ? [asked] : asked, label };
  }
  const others = names.filter((name) => name !== label);
  const rows = others.filter((name) => kindOf(name) === 'row');
  if (rows.length === 1) return { features: rows[0]!, label };
  const unknown = featureNames?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const message = `${argument} has no field ${quoted(unknown)}, a feature of the model: its fields are ${listed(names)}, and the model was trained on ${listed(featureNames ?? [])} (options.features names others that stand for these)`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.features', value: unknown });
  }
  const other = others.find((name) => kindOf(name) !== 'number');
  if (others.length > 0 && other === undefined) return { features: others, label };
  const why = other === undefined ? 'none are left' : `${quoted(other)} is no number`;
  const message = `options.features is missing: not all fields of ${argument} can be features, as ${why}. Name the field that is an array, or list those with numbers (fields: ${listed(names)})`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.features' });
}

const knownFeatures = (known: readonly string[] | undefined, names: readonly string[]) =>
  known?.every((name) => names.includes(name)) ? known : undefined;
