import { runProgram } from './program.ts'
import { runServer } from './server.ts'

await runProgram(runServer)
