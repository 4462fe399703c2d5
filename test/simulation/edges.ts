// Edges of the state machines that a run of many seeds must pass.

export const EDGES: readonly string[] = [];
