// The three binary interfaces of MPI libraries: what their headers make of names, which a caller without a C compiler must know.

export type MpiKind = 'Open MPI' | 'MPICH' | 'MPI ABI';

export interface MpiAbi {
  /** MPI_THREAD_FUNNELED: one thread calls. */
  readonly funneled: number;
  /** The C type of communicators, types, operations and requests. */
  readonly handle: 'void *' | 'int';
  readonly ignoreStatus: bigint;
  readonly constants: Readonly<Record<MpiConstant, number | bigint | string>>;
}

/** Values, or names of symbols whose address is the value. */
export type MpiConstant = 'COMM_WORLD' | 'BYTE' | 'FLOAT' | 'DOUBLE' | 'SUM' | 'ERRORS_RETURN';

export const MPI_ABIS: Readonly<Record<MpiKind, MpiAbi>> = {
  'Open MPI': {
    funneled: 1,
    handle: 'void *',
    ignoreStatus: 0n,
    constants: {
      COMM_WORLD: 'ompi_mpi_comm_world',
      BYTE: 'ompi_mpi_byte',
      FLOAT: 'ompi_mpi_float',
      DOUBLE: 'ompi_mpi_double',
      SUM: 'ompi_mpi_op_sum',
      ERRORS_RETURN: 'ompi_mpi_errors_return',
    },
  },
  // Intel MPI, MVAPICH and Cray MPI keep to the same one (the MPICH ABI Compatibility Initiative).
  MPICH: {
    funneled: 1,
    handle: 'int',
    ignoreStatus: 1n,
    constants: {
      COMM_WORLD: 0x44000000,
      BYTE: 0x4c00010d,
      FLOAT: 0x4c00040a,
      DOUBLE: 0x4c00080b,
      SUM: 0x58000003,
      ERRORS_RETURN: 0x54000001,
    },
  },
  // The standard's own, of MPI 5.0: libmpi_abi.
  'MPI ABI': {
    funneled: 1024,
    handle: 'void *',
    ignoreStatus: 0n,
    constants: {
      COMM_WORLD: 0x101n,
      BYTE: 0x247n,
      FLOAT: 0x210n,
      DOUBLE: 0x214n,
      SUM: 0x21n,
      ERRORS_RETURN: 0x143n,
    },
  },
};
