import { Scheduler, type SchemaCheck } from 'belfry'
import { expect, it } from 'vitest'
import { schemaCheckSql } from '../src/administration/schema.ts'
import { migrations } from '../src/store/migrations/all.ts'
import { migrationPlan } from '../src/store/migrations/plan.ts'
import { tablesIn } from '../src/store/tables.ts'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('a schema compared with its migrations', engine => {
  const begin = async (schema = engine.freshSchema()) => {
    const scheduler = new Scheduler({ database: engine.database, schema })
    await scheduler.migrate()
    const change = (statement: string) => engine.database.query(statement.replaceAll('SCHEMA', tablesIn(schema).schema))
    const found = async () =>
      (await scheduler.checkSchema()).differences.map(({ kind, name, difference }) => `${difference} ${kind} ${name}`)
    return { scheduler, schema, change, found }
  }
  const schemasLeft = async () =>
    (await engine.database.query(`select 1 from pg_namespace where nspname like 'belfry_check%'`)).rows.length

  it.each(['plain', 'With "quotes" and spaces', 'public'])('is the same, in a schema called %s', async name => {
    const { scheduler } = await begin(name)
    const check = await scheduler.checkSchema()
    const version = migrations.length
    expect(check).toEqual({ ok: true, version, pending: 0, differences: [] } satisfies SchemaCheck)
    expect(await schemasLeft()).toBe(0)
  })

  it('names what is missing and what was changed, of every kind', async () => {
    const { scheduler, change, found } = await begin()
    await change('drop index SCHEMA.scheduled_jobs_live_due')
    await change('alter table SCHEMA.belfry_runners drop column cpu_share')
    await change('alter table SCHEMA.belfry_runners alter column host type varchar(50)')
    await change('alter table SCHEMA.belfry_runners alter column running drop default')
    await change('alter table SCHEMA.belfry_runners alter column version drop not null')
    await change('alter table SCHEMA.scheduled_jobs_live reset (fillfactor)')
    await change('alter table SCHEMA.scheduled_jobs_live disable trigger scheduled_jobs_revived')
    await change('drop table SCHEMA.belfry_audit')
    await change('drop view SCHEMA.job_execution_history')
    await change(`create or replace function SCHEMA.belfry_keep_attempt() returns trigger language plpgsql as
      'begin return new; end'`)
    expect((await scheduler.checkSchema()).ok).toBe(false)
    expect(await found()).toEqual(
      expect.arrayContaining([
        'missing index scheduled_jobs_live_due',
        'missing column belfry_runners.cpu_share',
        'changed column belfry_runners.host',
        'changed column belfry_runners.running',
        'changed column belfry_runners.version',
        'changed table scheduled_jobs_live',
        'changed trigger scheduled_jobs_live.scheduled_jobs_revived',
        'missing table belfry_audit',
        'missing view job_execution_history',
        'changed function belfry_keep_attempt()',
      ]),
    )
    const host = (await scheduler.checkSchema()).differences.find(each => each.name === 'belfry_runners.host')
    expect(host).toMatchObject({ expected: 'text not null', actual: 'character varying(50) not null' })
  })

  it('tells of what somebody added to our tables, as no error, and leaves their own alone', async () => {
    const { scheduler, change, found } = await begin()
    await change('create table SCHEMA.somebodys_own (id integer primary key)')
    await change('create index my_reports on SCHEMA.scheduled_jobs_finished (created_at)')
    await change('alter table SCHEMA.belfry_schedules add column team text')
    await change('alter table SCHEMA.scheduled_jobs_live set (autovacuum_vacuum_scale_factor = 0.05)')
    expect(await found()).toEqual(['extra column belfry_schedules.team', 'extra index my_reports'])
    expect((await scheduler.checkSchema()).ok).toBe(true)
  })

  it('compares an older schema with the migrations it has seen, and says how many wait', async () => {
    const schema = engine.unmadeSchema()
    const scheduler = new Scheduler({ database: engine.database, schema })
    const plan = migrationPlan(tablesIn(schema))
    const { migrate } = await import('../src/database/migrator.ts')
    await migrate(engine.database, { ...plan, steps: plan.steps.slice(0, 4) })
    const pending = migrations.length - 4
    expect(await scheduler.checkSchema()).toEqual({ ok: true, version: 4, pending, differences: [] })
  })

  it('is compared by the printed SQL in the same way', async () => {
    const { schema, change } = await begin()
    await change('drop index SCHEMA.scheduled_jobs_live_due')
    const statements = schemaCheckSql(tablesIn(schema))
    const parts = statements.split(/;\n(?=with expected as|rollback)/)
    expect(parts[0]).toMatch(/^begin;\n/)
    const rows = await engine.database.transaction(async transaction => {
      const { migrateWithin } = await import('../src/database/migrator.ts')
      await migrateWithin(transaction, migrationPlan(tablesIn('belfry_check')))
      await transaction.query(`select set_config('search_path', 'pg_catalog', true)`)
      const answer = await transaction.query<{ name: string }>(parts[1] ?? '')
      await transaction.query('drop schema belfry_check cascade')
      return answer.rows
    })
    expect(rows.map(({ name }) => name)).toEqual(['scheduled_jobs_live_due'])
  })
})
