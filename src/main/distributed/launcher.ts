// What the environment says of how this process was started: by which launcher, and with how many others.

export interface Launch {
  /** As in "mpirun of Open MPI starts 4 processes". */
  readonly launcher: string;
  readonly ranks: number;
  /** Of this process. */
  readonly rank: number;
  /** The kind of library that can find the others; undefined: any may. */
  readonly library?: 'Open MPI' | 'MPICH';
}

/** Set to 0, processes that a launcher has started work alone. */
export const ALONE_VARIABLE = 'SOFTSHARD_MPI';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The launcher, whether or not it started several processes. The nearest comes first: an mpirun in a Slurm job sets variables of its
 * own beside Slurm's. Undefined: none, or one that sets no variables.
 */
export function launchOf(environment: Environment): Launch | undefined {
  const { OMPI_COMM_WORLD_SIZE, PMI_SIZE, SLURM_STEP_ID, PMIX_RANK, TORCHELASTIC_RUN_ID } = environment;
  const found = (launcher: string, ranks: string | undefined, rank: string | undefined) =>
    ranks ? { launcher, ranks: Number(ranks), rank: Number(rank ?? 0) } : undefined;
  const openMpi = found('mpirun of Open MPI', OMPI_COMM_WORLD_SIZE, environment.OMPI_COMM_WORLD_RANK);
  if (openMpi) return { ...openMpi, library: 'Open MPI' };
  const mpich = found('mpiexec of MPICH', PMI_SIZE, environment.PMI_RANK);
  if (mpich) return { ...mpich, library: 'MPICH' };
  if (SLURM_STEP_ID) {
    // Outside a step, as in the script of a job, these are of the job, and this is one process.
    const tasks = environment.SLURM_STEP_NUM_TASKS ?? environment.SLURM_NTASKS;
    const slurm = found('srun of Slurm', tasks, environment.SLURM_PROCID);
    return slurm && { ...slurm, ...(PMIX_RANK !== undefined && { library: 'Open MPI' }) };
  }
  if (TORCHELASTIC_RUN_ID === undefined) return undefined;
  return found('torchrun', environment.WORLD_SIZE, environment.RANK);
}

/** Of this process. */
export const findLaunch = (): Launch | undefined => launchOf(process.env);

/** Names and files to try, those that the launcher belongs to first. */
export function mpiCandidates(
  platform: NodeJS.Platform,
  environment: Environment,
  library: Launch['library'],
): string[] {
  const isMac = platform === 'darwin';
  const openMpi = isMac ? ['libmpi.40.dylib'] : ['libmpi.so.40'];
  // libmpi.so.12 is MPICH's own name and Intel MPI's; Debian has libmpich.so.12.
  const mpich = isMac ? ['libmpi.12.dylib', 'libmpich.12.dylib'] : ['libmpich.so.12', 'libmpi.so.12'];
  const standard = isMac ? ['libmpi_abi.dylib'] : ['libmpi_abi.so.1'];
  const names =
    library === 'Open MPI'
      ? [...openMpi, ...standard]
      : library === 'MPICH'
        ? [...mpich, ...standard]
        : [...openMpi, ...mpich, ...standard];
  const { MPI_HOME, OPAL_PREFIX, I_MPI_ROOT, CONDA_PREFIX, VIRTUAL_ENV } = environment;
  const prefixes = [OPAL_PREFIX, MPI_HOME, I_MPI_ROOT, CONDA_PREFIX, VIRTUAL_ENV, isMac && '/opt/homebrew'];
  const folders = prefixes.flatMap((prefix) => (prefix ? [`${prefix}/lib`, `${prefix}/lib/release`] : []));
  return [...folders.flatMap((folder) => names.map((name) => `${folder}/${name}`)), ...names];
}
