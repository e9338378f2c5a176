/**
 * Who may import whom (ARCHITECTURE.md, "Import rules"). Each list runs from the outside in:
 * a room may import the rooms after it, never one before it, never one beside it on the same line.
 */
const schedulerRooms = [
  ['index', 'cli'],
  ['scheduler'],
  ['engine'],
  ['administration'],
  ['event-log', 'stats', 'job-reader', 'scheduling', 'execution', 'recurring', 'maintenance'],
  ['flow', 'aftermath', 'watching'],
  ['core'],
  ['durable'],
  ['store'],
  ['isolation', 'webhooks', 'telemetry', 'hints'],
  ['events', 'options'],
  ['job'],
  ['errors', 'runtime', 'database', 'version'],
]
const botRooms = [
  ['main', 'cli'],
  ['server', 'demo', 'doctor', 'followups-cli'],
  ['app', 'program'],
  ['platforms', 'http', 'jobs'],
  ['chat'],
  ['commands'],
  ['operations'],
  ['followups'],
  ['users', 'memory'],
  ['database', 'llm', 'messaging', 'job-catalog'],
  ['config', 'settings', 'variable', 'variant-list', 'logger', 'clock'],
]

const room = (src, name) => `^${src}/${name}(/|\\.ts$)`

/** A room may not import the rooms outside it or beside it. */
const layerRules = (src, rooms) =>
  rooms.flatMap((row, depth) =>
    row.map(name => {
      const outer = [
        ...rooms.slice(0, depth).flat(),
        ...(depth === rooms.length - 1 ? [] : row.filter(r => r !== name)),
      ]
      return {
        name: `${src.split('/')[1]}: ${name} must not import ${outer.join(', ') || 'nothing'}`,
        severity: 'error',
        from: { path: room(src, name) },
        to: { path: outer.length > 0 ? outer.map(other => room(src, other)).join('|') : '^$' },
      }
    }),
  )

/** A package that only some folders may name. */
const singleDoor = (name, packages, doors) => ({
  name: `${name} only through its door`,
  severity: 'error',
  from: { path: '^packages/[^/]+/src', pathNot: doors },
  to: { path: packages },
})

module.exports = {
  forbidden: [
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'nothing unresolvable',
      severity: 'error',
      // The peers of the bench are installed by the bench alone.
      from: { pathNot: '^packages/scheduler/bench/peers/' },
      to: { couldNotResolve: true },
    },
    ...layerRules('packages/scheduler/src', schedulerRooms),
    ...layerRules('packages/bot/src', botRooms),
    {
      name: 'nothing imports belfry/testing from inside',
      severity: 'error',
      from: { path: '^packages/scheduler/src/(?!testing/)' },
      to: { path: '^packages/scheduler/src/testing/' },
    },
    {
      name: 'the scheduler knows nothing of the bot',
      severity: 'error',
      from: { path: '^packages/scheduler/' },
      to: { path: '^packages/bot/' },
    },
    {
      name: 'only published entry points of the scheduler',
      severity: 'error',
      from: { path: '^packages/bot/' },
      to: {
        path: '^packages/scheduler/src/',
        pathNot: '^packages/scheduler/src/(index|database/index|testing/index|cli/index)\\.ts$',
      },
    },
    {
      name: 'sources import no tests',
      severity: 'error',
      from: { path: '/src/' },
      to: { path: '/test/|^test-support/' },
    },
    singleDoor('pg and PGlite', 'node_modules/(pg|@electric-sql/pglite)/', '^packages/bot/src/database/'),
    singleDoor('discord.js', 'node_modules/discord\\.js/', '^packages/bot/src/platforms/discord/'),
    singleDoor('croner', 'node_modules/croner/', '^packages/scheduler/src/recurring/'),
    singleDoor('pino', 'node_modules/pino/', '^packages/bot/src/logger\\.ts$'),
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: '/dist/' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
}
