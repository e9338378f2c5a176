/**
 * What a value is when it comes back from JSON: a Date is text, what has a `toJSON` is what that answers, functions and
 * symbols are gone. What a handler does not answer at all is null.
 */
export type AsStored<Value> = unknown extends Value
  ? Value
  : Value extends undefined | void | Left
    ? null
    : Value extends Word
      ? Value
      : Value extends { toJSON(): infer Json }
        ? AsStored<Json>
        : Value extends readonly unknown[]
          ? { [Place in keyof Value]: AsStored<Value[Place]> }
          : { [Name in keyof Value as Value[Name] extends Left ? never : Name]: Part<Value[Name]> }

type Word = string | number | boolean | null

/** What JSON leaves out. */
type Left = symbol | ((...given: never[]) => unknown)

/** Of an object: a part that is undefined is left out, not null. */
type Part<Value> = unknown extends Value
  ? Value
  : undefined extends Value
    ? AsStored<Exclude<Value, undefined>> | undefined
    : AsStored<Value>
