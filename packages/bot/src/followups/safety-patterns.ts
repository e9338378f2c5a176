/**
 * What must not be in a text that nobody asked for. Patterns are matched against text as a reader sees it (`foldText`):
 * small letters without accents, look-alikes replaced, nothing invisible.
 */

/** What notifies people or takes them somewhere: Discord's tokens, invites, names with an @. */
export const MENTION =
  /@(?:everyone|here)|<(?:@[!&]?|#|a?:\w{1,64}:|\/[^<>]{1,100}:|id:)[\w]{1,32}>|\b(?:discord(?:app)?\.(?:gg|com\/invite|me|io)|dsc\.gg|t\.me|chat\.whatsapp\.com)\/|(?<![\p{L}\p{N}_.])@[\p{L}_][\p{L}\p{N}_.]{1,32}/u

/** A scheme, `www.`, a bare domain, an address in numbers, and domains that are spelled out to hide. */
export const LINK =
  /:\/\/|\b(?:mailto|javascript|data|tel|vbscript):\S|www\.\S|(?<![\p{L}\p{N}-]|[\p{L}\p{N}_.+-]@)(?:[\p{L}\p{N}-]{1,63}\.){1,5}(?:com|net|org|gg|io|info|biz|dev|app|xyz|ru|cn|top|site|online|shop|click|link|club|live|store|tech|icu|example|test)\b|(?<![\p{L}\p{N}-]|[\p{L}\p{N}_.+-]@)(?:[\p{L}\p{N}-]{1,63}\.){1,5}[a-z]{2,24}\/\S|\b\d{1,3}(?:\.\d{1,3}){3}\b|\w ?(?:\(dot\)|\[dot\]|\(\.\)|\[\.\]) ?\w|\]\(/u

/** Code, markup of prompts and pages, and talk about instructions. */
export const CODE =
  /```|~~~|<\|.{0,100}\|>|\[\/?inst\]|<<\/?sys>>|<\/?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,200})?\/?>|\{\{|\bsystem ?prompt|\bsystemanweisung|\binvite systeme|\b(?:my|meine|mes|mis|minhas) (?:instructions?|anweisungen|instrucciones|instrucoes)\b|^\s*(?:system|assistant|user)\s*:/u

/** Addresses, numbers, keys. Ten digits and more are a telephone, a card or an account; dates have fewer. */
export const PERSONAL: readonly RegExp[] = [
  /[\p{L}\p{N}_.+-]+@[\p{L}\p{N}_-]+\.[\p{L}\p{N}_.]+/u,
  /(?:\+?\p{Nd}[\s()./-]{0,3}){9,}\p{Nd}/u,
  /\b(?:sk|pk|rk|ghp|gho|ghs|xox[abprs]|glpat|hf|npm)[-_][\w-]{10,}/u,
  /\b(?:akia|asia)[0-9a-z]{12,}\b|\baiza[\w-]{30,}|\beyj[\w-]{10,}\.[\w-]{5,}/u,
  /\b[\w-]{20,32}\.[\w-]{6}\.[\w-]{25,}\b/u,
  /\b[a-z]{2}\d{2} ?[a-z0-9]{4}(?: ?\d{4}){2}/u,
  /\b(?=[a-z_-]*\d)[\w-]{32,}\b/u,
]

/** "I am a human", in five languages; "I am a program, not a human" is true and may be said. */
export const HUMAN =
  /\bi(?:'m| am)(?: (?!not\b|no\b|a program\b|an ai\b)[\w-]+){0,3} (?:human|person|man|woman)\b|\bi(?:'m| am) not (?:just )?(?:a |an )?(?:ro)?(?:bot|ai|program|machine)\b|\b(?:as|like) (?:a|another|fellow) human\b|\bich bin(?: (?!nicht\b|kein|nur\b|ein programm\b)[\w-]+){0,3} (?:mensch|person|mann|frau)\b|\bich bin keine? (?:ro)?(?:bot|ki|programm|maschine|computer)\b|\bje suis(?: (?!pas\b|un programme\b)[\w-]+){0,3} (?:humaine?|personne|homme|femme)\b|\bje ne suis pas (?:une? )?(?:ro)?(?:bot|ia|programme|machine)\b|(?<!\bno )\bsoy(?: (?!un programa\b)[\w-]+){0,3} (?:human[oa]|persona|hombre|mujer)\b|\bno soy (?:una? )?(?:ro)?(?:bot|ia|programa|maquina)\b|(?<!\bnao )\bsou(?: (?!um programa\b)[\w-]+){0,3} (?:human[oa]|pessoa|homem|mulher)\b|\bnao sou (?:uma? )?(?:ro)?(?:bot?|ia|programa|maquina)\b/u

/** Guilt, neediness and pressure: they raise clicks and cost trust (arXiv 2508.19258). */
const TONES: readonly RegExp[] = [
  /\bmiss(?:ed|ing|es)? (?:you|u)\b|\blonely\b|\bwithout you\b|\bwait(?:ed|ing)? (?:here )?for you\b|\bwhy (?:did|have) you (?:leave|left|go|gone|stop|stopped|not)\b|\blast chance\b|\bdon'?t leave\b|\babandon|\bignor(?:e|ed|es|ing) me\b|\b(?:sad|hurt|upset|disappointed) (?:that|because|when) you\b|\bdisappointed in you\b|\bforg(?:et|ot|otten) (?:about )?me\b|\bhow could you\b|\bbefore it'?s too late\b|\bi need you\b|\bplease come back\b|\byou promised\b/u,
  /\bvermiss(?:e|t|en)? (?:dich|euch|sie)\b|\b(?:dich|euch)(?: \p{L}+){0,3} vermisst\b|\beinsam\b|\bohne dich\b|\b(?:warte|gewartet|wartet)(?: \p{L}+){0,3} auf dich\b|\bauf dich(?: \p{L}+){0,3} (?:warte|gewartet)\b|\bwarum (?:bist|hast|meldest|antwortest) du\b|\bletzte (?:chance|gelegenheit)\b|\bverlass mich\b|\bim stich\b|\bignorier(?:st|e|t)\b|\b(?:traurig|verletzt|enttauscht),? (?:dass|weil|von dir)\b|\bmich vergessen\b|\bbrauche dich\b|\bkomm (?:bitte )?zuruck\b|\bbevor es zu spat\b|\bdu hast(?: \p{L}+){0,2} versprochen\b/u,
  /\b(?:tu|vous) (?:me|m'as|m'avez) manqu|\bsans toi\b|\bje (?:suis|me sens)(?: \p{L}+){0,2} seule?\b|\bsolitude\b|\bje t'(?:attend|ai attendu|attendais)|\bpourquoi (?:es[- ]tu|tu es|as[- ]tu|tu as|tu ne)\b|\bderniere chance\b|\bne me (?:quitte|laisse)|\babandonn|\bm'ignor|\b(?:triste|decue?|blessee?) (?:que|parce que|car) tu\b|\bm'as(?: \p{L}+)? oubliee?\b|\bbesoin de toi\b|\breviens\b|\bavant qu'il (?:ne )?soit trop tard\b|\btu (?:m')?avais promis\b/u,
  /\bte (?:extran|echo (?:mucho )?de menos|he echado de menos|eche de menos)|\bsin ti\b|\bme siento sol[oa]\b|\bte (?:espero|espere|estoy esperando|estuve esperando|he esperado|esperaba)\b|\besperandote\b|\bpor que (?:te|no me|me)\b|\bultima (?:oportunidad|chance)\b|\bno me (?:dejes|abandones|ignores)\b|\babandon|\bme ignoras?\b|\b(?:triste|dolid[oa]|decepcionad[oa]) (?:de )?(?:que|porque|por que|contigo)\b|\bme (?:has )?olvid|\bte olvidaste de mi\b|\bte necesito\b|\bvuelve\b|\bantes de que sea tarde\b|\bme prometiste\b/u,
  /\b(?:sua|tua) falta\b|\bsaudades? (?:de (?:ti|voce)|suas?|tuas?)|\bsem (?:voce|ti)\b|\bme sinto (?:so|sozinh[oa])\b|\b(?:esperando|espero|esperei) (?:por )?(?:voce|ti)\b|\bpor que (?:voce|tu) (?:foi|sumiu|me|nao|parou)\b|\bultima (?:chance|oportunidade)\b|\bnao me (?:deixe|abandone|ignore|esqueca)\b|\babandon|\bme ignora(?:ndo|s)?\b|\b(?:triste|magoad[oa]|decepcionad[oa]) (?:que|porque|por que|com voce)\b|\bme esquec|\besqueceu de mim\b|\bpreciso de (?:voce|ti)\b|\bvolt[ae] (?:pra|para) mim\b|\bantes que seja tarde\b|\bvoce prometeu\b/u,
]

export const hasBannedTone = (folded: string): boolean => TONES.some(tone => tone.test(folded))

/** Turns the reading direction, spells in invisible tags, or piles up marks: no honest text of ours does. */
export const HOSTILE = /[\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]|\p{M}{5}|[\p{Co}\p{Cn}]|(?![\n\r\t])\p{Cc}/u
