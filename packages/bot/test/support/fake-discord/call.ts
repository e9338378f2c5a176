import type { FakeDiscord } from './fake-discord.ts'

export interface FakeCall {
  readonly body?: unknown
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown> & { id: string; code: number }
}

/** A request without any library, as a bot would make it unless told otherwise. */
export async function callFake(
  fake: FakeDiscord,
  { method, path, body, token = fake.application.token, headers = {} }: FakeCall & { method: string; path: string },
): Promise<Answered> {
  const response = await fetch(`${fake.apiUrl}/v10${path}`, {
    method,
    headers: {
      'user-agent': 'DiscordBot (test, 1)',
      'content-type': 'application/json',
      authorization: `Bot ${token}`,
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? {} : JSON.parse(text)) as Answered['body'],
  }
}
