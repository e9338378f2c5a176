import type { Language } from '../llm/language.ts'
import type { Opener } from '../llm/prompts.ts'

/**
 * One wording of a follow-up. `{hi}` is the greeting with the name, `{topic}` a thing (`your recital`), `{said}` a
 * sentence of theirs turned around (`your recital is on Friday`); a template whose words are not known is left out.
 */
export interface Template {
  /** The same in every language, for the report. */
  readonly id: string
  readonly opener: Opener
  readonly text: string
  /** Only for what weighs on them, or only for what does not. */
  readonly mood?: 'heavy' | 'light'
}

export const HELLO: Readonly<Record<Language, { named: string; nameless: string }>> = {
  en: { named: 'Hi', nameless: 'Hello' },
  de: { named: 'Hallo', nameless: 'Hallo' },
  fr: { named: 'Bonjour', nameless: 'Bonjour' },
  es: { named: 'Hola', nameless: 'Hola' },
  pt: { named: 'Olá', nameless: 'Olá' },
}

/** Ids and openers, in the order in which templates are tried. */
const OPENERS = {
  'how-are-things': 'question',
  'how-are-you-now': 'question',
  'any-news': 'question',
  'how-does-it-look': 'question',
  'what-became-of-it': 'question',
  'kept-in-mind': 'statement',
  'tell-me-more': 'statement',
  'where-we-were': 'statement',
  general: 'question',
  'general-again': 'question',
  'general-new': 'question',
  'general-here': 'statement',
  'general-if-you-like': 'statement',
  'general-where-we-were': 'statement',
} as const satisfies Record<string, Opener>

type TemplateId = keyof typeof OPENERS
type Wordings = Partial<Record<TemplateId, string>>

/** Asking for news of what weighs on somebody is unkind; `how-are-you-now` is for nothing else. */
const MOODS: Partial<Record<TemplateId, 'heavy' | 'light'>> = {
  'how-are-things': 'light',
  'how-are-you-now': 'heavy',
  'any-news': 'light',
  'how-does-it-look': 'light',
}

/** Worded to fit before and after whatever was announced, since nobody knows how much time has passed. */
const en: Wordings = {
  'how-are-things': '{hi}, last time you said {said}. How is that going?',
  'how-are-you-now': '{hi}, last time you said {said}. How are you now?',
  'any-news': '{hi}, we talked a while ago about {topic}. Any news?',
  'how-does-it-look': '{hi}, you mentioned that {said}. How do things look by now?',
  'what-became-of-it': '{hi}, I have kept {topic} in mind. Would you like to tell me more?',
  'kept-in-mind': '{hi}, I still have {topic} in my notes. Tell me how it is going, if you like.',
  'tell-me-more': '{hi}, you told me about {topic}. I would be glad to read more, whenever it suits you.',
  'where-we-were': '{hi}, last time it was about {topic}. No hurry, I know where we were.',
  general: '{hi}, we have not talked for a while. What has been on your mind?',
  'general-again': '{hi}, how have things been since our last chat?',
  'general-new': '{hi}, a little while has passed. Anything new on your side?',
  'general-here': '{hi}, I am here whenever you feel like going on with our last chat.',
  'general-if-you-like': '{hi}, just a short note after our last chat. Write when it suits you.',
  'general-where-we-were': '{hi}, I remember what we talked about, so we can go on at any time.',
}

const de: Wordings = {
  'any-news': '{hi}, vor einer Weile ging es bei uns um „{topic}“. Gibt es etwas Neues?',
  'how-does-it-look': '{hi}, du hattest „{topic}“ erwähnt. Wie sieht es damit inzwischen aus?',
  'what-became-of-it': '{hi}, „{topic}“ habe ich mir gemerkt. Magst du mehr davon erzählen?',
  'kept-in-mind': '{hi}, „{topic}“ steht noch in meinen Notizen. Erzähl gern, wie es läuft.',
  'tell-me-more': '{hi}, du hast mir von „{topic}“ erzählt. Ich lese gern mehr davon, wann immer es dir passt.',
  'where-we-were': '{hi}, zuletzt ging es um „{topic}“. Keine Eile, ich weiß noch, wo wir waren.',
  general: '{hi}, wir haben eine Weile nicht geschrieben. Was beschäftigt dich gerade?',
  'general-again': '{hi}, wie ist es dir seit unserem letzten Gespräch ergangen?',
  'general-new': '{hi}, seit unserem letzten Gespräch ist etwas Zeit vergangen. Gibt es Neues bei dir?',
  'general-here': '{hi}, wenn du magst, machen wir bei unserem letzten Gespräch weiter.',
  'general-if-you-like': '{hi}, nur ein kurzer Gruß nach unserem letzten Gespräch. Schreib gern, wenn es dir passt.',
  'general-where-we-were': '{hi}, ich weiß noch, worüber wir geredet haben. Wir können jederzeit weitermachen.',
}

const fr: Wordings = {
  'any-news': '{hi}, il y a quelque temps, on parlait de « {topic} ». Y a-t-il du nouveau ?',
  'how-does-it-look': '{hi}, tu avais mentionné « {topic} ». Où en sont les choses maintenant ?',
  'what-became-of-it': "{hi}, j'ai noté « {topic} ». Tu veux m'en dire plus ?",
  'kept-in-mind': '{hi}, « {topic} » est toujours dans mes notes. Raconte-moi la suite si tu veux.',
  'tell-me-more': "{hi}, tu m'as parlé de « {topic} ». J'en lirais volontiers plus, quand cela te convient.",
  'where-we-were':
    '{hi}, la dernière fois, il était question de « {topic} ». Rien ne presse, je sais où nous en étions.',
  general: '{hi}, cela fait quelque temps que nous n’avons pas parlé. À quoi penses-tu en ce moment ?',
  'general-again': '{hi}, comment ça va depuis notre dernière conversation ?',
  'general-new': '{hi}, un peu de temps a passé. Quoi de neuf de ton côté ?',
  'general-here': '{hi}, si tu veux, nous pouvons reprendre notre dernière conversation.',
  'general-if-you-like': '{hi}, un petit mot après notre dernière conversation. Écris quand cela te convient.',
  'general-where-we-were': '{hi}, je me souviens de notre sujet. Nous pouvons continuer à tout moment.',
}

const es: Wordings = {
  'any-news': '{hi}, hace un tiempo hablamos de «{topic}». ¿Hay novedades?',
  'how-does-it-look': '{hi}, mencionaste «{topic}». ¿Cómo van las cosas ahora?',
  'what-became-of-it': '{hi}, tengo anotado «{topic}». ¿Quieres contarme más?',
  'kept-in-mind': '{hi}, «{topic}» sigue en mis notas. Cuéntame cómo va, si te apetece.',
  'tell-me-more': '{hi}, me contaste algo de «{topic}». Leeré con gusto lo que sigue, cuando te venga bien.',
  'where-we-were': '{hi}, la última vez hablamos de «{topic}». Sin prisa, recuerdo dónde lo dejamos.',
  general: '{hi}, hace un tiempo que no hablamos. ¿En qué andas estos días?',
  'general-again': '{hi}, ¿cómo ha ido todo desde nuestra última charla?',
  'general-new': '{hi}, ha pasado un poco de tiempo. ¿Qué hay de nuevo?',
  'general-here': '{hi}, si te apetece, seguimos con nuestra última charla.',
  'general-if-you-like': '{hi}, solo una nota breve tras nuestra última charla. Escribe cuando te venga bien.',
  'general-where-we-were': '{hi}, recuerdo de qué hablamos, así que podemos seguir en cualquier momento.',
}

const pt: Wordings = {
  'any-news': '{hi}, há algum tempo falamos de “{topic}”. Alguma novidade?',
  'how-does-it-look': '{hi}, você mencionou “{topic}”. Como estão as coisas agora?',
  'what-became-of-it': '{hi}, anotei “{topic}”. Quer me contar mais?',
  'kept-in-mind': '{hi}, “{topic}” continua nas minhas notas. Conte como vai, se quiser.',
  'tell-me-more': '{hi}, você me contou de “{topic}”. Leio mais com prazer, quando for bom para você.',
  'where-we-were': '{hi}, da última vez o assunto foi “{topic}”. Sem pressa, lembro onde paramos.',
  general: '{hi}, faz um tempo que não conversamos. O que anda na sua cabeça?',
  'general-again': '{hi}, como foram as coisas desde a nossa última conversa?',
  'general-new': '{hi}, passou um pouco de tempo. O que há de novo por aí?',
  'general-here': '{hi}, se quiser, continuamos a nossa última conversa.',
  'general-if-you-like': '{hi}, só um recado curto depois da nossa última conversa. Escreva quando for bom para você.',
  'general-where-we-were': '{hi}, lembro do que falamos, então podemos continuar a qualquer momento.',
}

function templatesOf(wordings: Wordings): readonly Template[] {
  return (Object.keys(OPENERS) as TemplateId[]).flatMap(id => {
    const text = wordings[id]
    const mood = MOODS[id]
    return text === undefined ? [] : [{ id, opener: OPENERS[id], text, ...(mood && { mood }) }]
  })
}

/** Every wording, by language, in the order in which they are tried. */
export const templates: Readonly<Record<Language, readonly Template[]>> = {
  en: templatesOf(en),
  de: templatesOf(de),
  fr: templatesOf(fr),
  es: templatesOf(es),
  pt: templatesOf(pt),
}
