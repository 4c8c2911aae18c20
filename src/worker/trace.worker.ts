import { serveTrace } from './serve-trace.ts'

serveTrace()
