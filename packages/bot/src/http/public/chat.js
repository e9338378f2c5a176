const $ = id => document.getElementById(id)
const [list, form, field, nameField, state, typing, empty, main, toEnd] = [
  'turns',
  'form',
  'text',
  'name',
  'state',
  'typing',
  'empty',
  'scroll',
  'to-end',
].map($)

/** Id of the last turn shown: where a new connection goes on. */
let last = 0
let lastDay = ''
/** Messages on their way, by their text: their turn arrives from the server and takes their place. */
const pending = []
let unread = 0
let botName = 'Belfry'

nameField.value = localStorage.getItem('belfry-name') ?? ''
nameField.addEventListener('change', () => localStorage.setItem('belfry-name', nameField.value.trim()))

const isAtEnd = () => main.scrollHeight - main.scrollTop - main.clientHeight < 80
const toTheEnd = () => {
  main.scrollTop = main.scrollHeight
  toEnd.hidden = true
}
toEnd.addEventListener('click', toTheEnd)
main.addEventListener('scroll', () => {
  if (isAtEnd()) toEnd.hidden = true
})

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

/** What a person can do with a follow-up. */
const ACTIONS = [
  ['stop', 'Stop these'],
  ['later', 'Not now'],
  ['why', 'Why this?'],
]

function actions(followUpId) {
  const group = element('div', 'actions')
  group.setAttribute('role', 'group')
  group.setAttribute('aria-label', 'About this follow-up')
  for (const [action, label] of ACTIONS) {
    const button = element('button', '', label)
    button.type = 'button'
    button.addEventListener('click', () => press(group, { followUpId, action, messageId: newId() }))
    group.append(button)
  }
  group.append(element('span', 'note'))
  return group
}

/** The answer arrives as a turn. */
async function press(group, pressed) {
  const note = group.lastElementChild
  const lock = locked => {
    for (const button of group.querySelectorAll('button')) button.disabled = locked
  }
  lock(true)
  note.textContent = ''
  try {
    const response = await post('/api/chat/actions', pressed)
    if (response.ok) toTheEnd()
    else note.textContent = (await response.json().catch(() => undefined))?.error?.message ?? 'Not done.'
  } catch {
    note.textContent = 'Not done: no connection.'
  } finally {
    lock(false)
  }
}

const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), byte => byte.toString(16).padStart(2, '0')).join('')

const post = (path, body) =>
  fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

function bubble({ author, kind, text, followUpId }) {
  const item = element('li', `turn ${author === 'user' ? 'mine' : 'bot'} ${kind}`)
  if (kind === 'follow_up') {
    const label = element('p', 'label', `a follow-up from ${botName}`)
    const bell = element('img')
    bell.src = '/favicon.svg'
    bell.alt = ''
    label.prepend(bell)
    item.append(label)
  }
  const body = element('div', 'bubble')
  body.append(...words(text))
  item.append(body)
  if (followUpId) item.append(actions(followUpId))
  item.append(element('p', 'meta'))
  return item
}

/** Where the bot hands out what it stores about this person. */
const MY_DATA = '/api/chat/my-data'

function download(path) {
  const link = element('a', '', 'download your data')
  link.href = path
  link.download = ''
  return link
}

/** Text as nodes, never as markup; what stands between backticks is shown as code. */
function words(text) {
  return text.split('`').map((part, index, all) => {
    if (index % 2 === 0 || index === all.length - 1)
      return document.createTextNode(index % 2 === 0 ? part : `\`${part}`)
    return part === MY_DATA ? download(part) : element('code', '', part)
  })
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
const dayName = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })

function stamp(item, sentAt) {
  const time = element('time', '', clock.format(sentAt))
  time.dateTime = sentAt.toISOString()
  time.title = full.format(sentAt)
  item.lastElementChild.replaceChildren(time)
}

function daySeparator(sentAt) {
  const day = dayName.format(sentAt)
  if (day === lastDay) return
  lastDay = day
  list.append(element('li', 'day', day === dayName.format(new Date()) ? 'Today' : day))
}

/** The answer while it is being written; its stored turn takes its place. */
let draft

function showDraft({ text }) {
  if (text === '') {
    draft?.remove()
    draft = undefined
    return
  }
  const follow = isAtEnd()
  if (!draft) {
    draft = bubble({ author: 'bot', kind: 'chat', text })
    draft.classList.add('draft')
    // Read aloud once it is whole, not word by word.
    draft.setAttribute('aria-hidden', 'true')
    list.append(draft)
    typing.hidden = true
  } else draft.querySelector('.bubble').replaceChildren(...words(text))
  if (follow) toTheEnd()
}

function show(turn) {
  if (turn.id <= last) return
  last = turn.id
  const follow = isAtEnd()
  const sentAt = new Date(turn.sentAt)
  const mine = turn.author === 'user' ? pending.findIndex(each => each.text === turn.text) : -1
  if (mine >= 0) {
    const [sent] = pending.splice(mine, 1)
    sent.item.classList.remove('failed')
    sent.item.classList.add(turn.kind)
    stamp(sent.item, sentAt)
  } else {
    daySeparator(sentAt)
    const item = bubble(turn)
    stamp(item, sentAt)
    const isDrafted = draft && turn.author === 'bot' && turn.kind === 'chat'
    if (isDrafted) {
      draft.replaceWith(item)
      draft = undefined
    } else if (draft) draft.before(item)
    else list.append(item)
  }
  empty.hidden = true
  if (turn.author === 'bot') {
    typing.hidden = true
    if (document.hidden) document.title = `(${(unread += 1)}) ${botName}`
  }
  if (follow || turn.author === 'user') toTheEnd()
  else toEnd.hidden = false
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return
  unread = 0
  document.title = botName
})

async function deliver(message) {
  const { item } = message
  item.classList.remove('failed')
  item.lastElementChild.textContent = 'sending…'
  typing.hidden = false
  try {
    const response = await post('/api/chat/messages', {
      text: message.text,
      messageId: message.id,
      displayName: nameField.value.trim() || undefined,
    })
    const answer = await response.json().catch(() => undefined)
    if (response.ok) return answer?.aside === undefined ? undefined : await showAside(answer.aside)
    fail(message, answer?.error?.message ?? 'Not sent.')
  } catch {
    fail(message, 'Not sent: no connection.')
  } finally {
    typing.hidden = true
  }
}

/** An answer that is kept nowhere, and may be about what is kept no longer: the page shows what there is, and it. */
async function showAside(text) {
  const answer = await fetch('/api/chat/turns?after=0')
    .then(response => response.json())
    .catch(() => undefined)
  list.replaceChildren()
  pending.length = 0
  last = 0
  lastDay = ''
  for (const turn of answer?.turns ?? []) show(turn)
  daySeparator(new Date())
  const item = bubble({ author: 'bot', kind: 'command', text })
  stamp(item, new Date())
  list.append(item)
  empty.hidden = true
  toTheEnd()
}

function fail(message, reason) {
  if (!pending.includes(message)) return
  const again = element('button', '', 'Try again')
  again.type = 'button'
  again.addEventListener('click', () => deliver(message))
  message.item.classList.add('failed')
  message.item.lastElementChild.replaceChildren(`${reason} `, again)
}

function say(text) {
  const trimmed = text.trim()
  if (trimmed === '') return
  daySeparator(new Date())
  const item = bubble({ author: 'user', kind: 'chat', text: trimmed })
  const message = { id: newId(), text: trimmed, item }
  pending.push(message)
  list.append(item)
  empty.hidden = true
  toTheEnd()
  deliver(message)
}

const grow = () => {
  field.style.height = 'auto'
  field.style.height = `${field.scrollHeight + 2}px`
}
field.addEventListener('input', grow)
field.addEventListener('keydown', event => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  form.requestSubmit()
})
form.addEventListener('submit', event => {
  event.preventDefault()
  say(field.value)
  field.value = ''
  grow()
  field.focus()
})
empty.addEventListener('click', event => {
  const text = event.target.dataset?.say
  if (text) say(text)
})

function tell(text, kind) {
  state.textContent = text
  state.dataset.state = kind
}

/** EventSource comes back by itself while the server restarts; it gives up on an error answer, so that is done here. */
function connect() {
  const source = new EventSource(`/api/chat/events?after=${last}`)
  source.addEventListener('open', () => tell('here, and listening', 'open'))
  source.addEventListener('turn', event => show(JSON.parse(event.data)))
  source.addEventListener('draft', event => showDraft(JSON.parse(event.data)))
  source.addEventListener('error', () => {
    tell('connection lost, trying again…', 'lost')
    showDraft({ text: '' })
    if (source.readyState !== EventSource.CLOSED) return
    setTimeout(connect, 2000)
  })
}

async function begin() {
  try {
    const response = await fetch('/api/chat/turns?after=0')
    const answer = await response.json()
    botName = answer.botName
    document.title = botName
    $('bot-name').textContent = botName
    for (const turn of answer.turns) show(turn)
    empty.hidden = last > 0
    toTheEnd()
  } catch {
    empty.hidden = false
  }
  connect()
}

begin()
