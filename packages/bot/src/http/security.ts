import { createHash, randomBytes } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'

const COOKIE = 'belfry_user'
const A_YEAR_SECONDS = 365 * 86_400
/** Headers by which proxies tell that they forwarded something. */
const FORWARDED = /^(forwarded|x-forwarded-.*|x-real-ip|via)$/i
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i
const LOOPBACK_ADDRESS = /^(::ffff:)?127\.|^::1$/

/** Whether an address to listen on is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127\.|::1$|\[::1\]$)/i.test(host)
}

/** Nothing from outside, nothing inline, no frames, no guessing of types. */
export const securityHeaders: MiddlewareHandler = async (context, next) => {
  await next()
  context.header(
    'Content-Security-Policy',
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  context.header('X-Content-Type-Options', 'nosniff')
  context.header('X-Frame-Options', 'DENY')
  context.header('Referrer-Policy', 'no-referrer')
}

/** A page elsewhere that points its own name at 127.0.0.1 must not reach a bot that listens on loopback only. */
export function refuseForeignHosts(isLoopbackOnly: boolean): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header('host') ?? ''
    if (isLoopbackOnly && !LOOPBACK_HOST.test(host)) {
      return context.json(fault('FOREIGN_HOST', 'This address is for this machine only; open http://127.0.0.1.'), 403)
    }
    return next()
  }
}

/**
 * A link on a page elsewhere must not lead to the API: such a visit carries no Strict cookie, and would be given a new
 * one in place of the one that is there.
 */
export const refuseForeignLinks: MiddlewareHandler = async (context, next) => {
  const site = context.req.header('sec-fetch-site')
  if (site === 'cross-site' || site === 'same-site') {
    return context.json(fault('FOREIGN_PAGE', 'This is for the chat page itself only. The chat is at /.'), 403)
  }
  return next()
}

/** A change must come from our own page: browsers say where a request comes from, and only a page can send JSON. */
export const refuseForeignPages: MiddlewareHandler = async (context, next) => {
  const site = context.req.header('sec-fetch-site')
  const origin = context.req.header('origin')
  const foreign =
    (site !== undefined && site !== 'same-origin') ||
    (origin !== undefined && hostOf(origin) !== context.req.header('host'))
  if (foreign) return context.json(fault('FOREIGN_PAGE', 'Messages are taken from the chat page itself only.'), 403)
  if (!/^application\/json\b/i.test(context.req.header('content-type') ?? '')) {
    return context.json(fault('NOT_JSON', 'Expected a body of type application/json.'), 415)
  }
  return next()
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}

/**
 * The person behind a request of the page: a random secret in a cookie that scripts cannot read, made at the first call.
 * Their id is a hash of it, since ids are shown to others and whoever knows the cookie is that person.
 * Only behind `refuseForeignLinks`.
 */
export function personOf(context: Context): string {
  const known = knownPersonOf(context)
  if (known !== undefined) return known
  const fresh = randomBytes(18).toString('base64url')
  setCookie(context, COOKIE, fresh, { httpOnly: true, sameSite: 'Strict', path: '/', maxAge: A_YEAR_SECONDS })
  return idOf(fresh)
}

/** As `personOf`, but a visitor without a cookie stays nobody. */
export function knownPersonOf(context: Context): string | undefined {
  const known = getCookie(context, COOKIE)
  return known && /^[\w-]{16,64}$/.test(known) ? idOf(known) : undefined
}

function idOf(secret: string): string {
  return `web:${createHash('sha256').update(secret).digest('hex').slice(0, 16)}`
}

/** Whether a request comes straight from this machine: no proxy in between, asked for by a local name. */
export function isFromOperator(context: Context, remoteAddress: string | undefined): boolean {
  const forwarded = Object.keys(context.req.header()).some(name => FORWARDED.test(name))
  const local = LOOPBACK_HOST.test(context.req.header('host') ?? '') && LOOPBACK_ADDRESS.test(remoteAddress ?? '')
  return local && !forwarded
}

/** The one shape of an error. */
export function fault(code: string, message: string): { error: { code: string; message: string } } {
  return { error: { code, message } }
}
