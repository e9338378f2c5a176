/** Expression for a job's options. Whatever else than an object somebody has put into the column counts as none. */
export const OPTIONS_OBJECT = `case when jsonb_typeof(options) = 'object' then options else '{}' end`
