// The AssemblyScript scalar types that layout.ts uses, as the host sees them.
declare type i32 = number;
