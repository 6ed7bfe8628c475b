// Imported when metrics are wanted, and missing with the package. A module of our own, because bundlers that split code give a
// CommonJS package that is imported by `import()` no names.
export { metrics } from '@opentelemetry/api'
