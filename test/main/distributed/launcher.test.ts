import { expect, test } from 'vitest';
import { launchOf, mpiCandidates } from '#softshard/main/distributed/launcher.js';

const OPEN_MPI = { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '3' };
const MPICH = { PMI_SIZE: '4', PMI_RANK: '3' };
const STEP = { SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '4', SLURM_NTASKS: '8', SLURM_PROCID: '3' };

test.each([
  ['mpirun of Open MPI', OPEN_MPI, 'Open MPI'],
  ['mpiexec of MPICH', MPICH, 'MPICH'],
  ['srun of Slurm', STEP, undefined],
  ['srun of Slurm', { ...STEP, PMIX_RANK: '3' }, 'Open MPI'],
  ['torchrun', { TORCHELASTIC_RUN_ID: 'none', WORLD_SIZE: '4', RANK: '3' }, undefined],
  // An mpirun in a job of Slurm, or in a process that torchrun started.
  ['mpirun of Open MPI', { ...STEP, ...OPEN_MPI, TORCHELASTIC_RUN_ID: '', WORLD_SIZE: '9' }, 'Open MPI'],
  ['mpiexec of MPICH', { ...STEP, ...MPICH }, 'MPICH'],
])('%s is known by %j', (launcher, environment, library) => {
  const want = { launcher, ranks: 4, rank: 3, ...(library && { library }) };
  expect(launchOf(environment)).toEqual(want);
});

test.each([[{}], [{ SLURM_NTASKS: '8', SLURM_PROCID: '0' }], [{ WORLD_SIZE: '4', RANK: '0' }]])(
  'a process with %j in its environment is alone: a script of a job, or one that trains otherwise',
  (environment) => expect(launchOf(environment)).toBeUndefined(),
);

test('libraries are tried by name, those of the launcher only, in named folders first', () => {
  expect(mpiCandidates('linux', {}, 'Open MPI')).toEqual(['libmpi.so.40', 'libmpi_abi.so.1']);
  expect(mpiCandidates('linux', {}, 'MPICH')).toEqual(['libmpich.so.12', 'libmpi.so.12', 'libmpi_abi.so.1']);
  expect(mpiCandidates('linux', { MPI_HOME: '/opt/mpi' }, undefined)[0]).toBe('/opt/mpi/lib/libmpi.so.40');
  expect(mpiCandidates('darwin', {}, undefined)).toContain('/opt/homebrew/lib/libmpi.40.dylib');
});
