import type { Language } from './language.ts'

export interface DistressWordList {
  /** Words and phrases; `*` at the end stands for any ending. */
  readonly signs: readonly string[]
  /** Phrases that mean no harm although a sign is in them. */
  readonly except: readonly string[]
}

/** What people say who may be in danger. Accents, capitals and kinds of apostrophes do not matter. */
export const builtInWords: Readonly<Record<Language, DistressWordList>> = {
  en: {
    signs: [
      'kill myself', 'killing myself', 'suicid*', 'end my life', 'ending my life', 'take my own life', 'end it all',
      'want to die', 'wanna die', 'wish to die', 'going to die by', 'wish i was dead', 'wish i were dead',
      'want to be dead', 'better off dead', 'better off without me', 'no reason to live', 'nothing to live for',
      "don't want to live", 'do not want to live', 'dont want to live', "don't want to be alive",
      'do not want to be alive', "don't want to be here anymore", "don't want to be here any more",
      "can't go on living", 'hang myself', 'unalive myself', 'self harm', 'selfharm', 'self harming', 'cut myself',
      'cutting myself', 'hurt myself', 'hurting myself', 'harm myself', 'harming myself',
    ],
    except: [
      'suicide squad', 'suicide door', 'suicide doors', 'cut myself some slack', 'cut myself a slice', 'want to die laughing',
      'kill myself laughing', 'cut myself shaving', 'cut myself while shaving', 'cut myself while cooking',
    ],
  },
  de: {
    signs: [
      'mich umbringen', 'mich umzubringen', 'bringe mich um', 'bring mich um', 'selbstmord*', 'suizid*', 'selbstmörd*',
      'nicht mehr leben', 'will sterben', 'möchte sterben', 'sterben will', 'lieber tot', 'wäre ich tot',
      'mir das leben nehmen', 'mein leben beenden', 'keinen grund zu leben', 'ohne mich besser dran',
      'lebensmüde', 'mich ritzen', 'ritze mich', 'mich selbst verletz*', 'selbstverletz*', 'mir etwas antun',
      'mir was antun',
    ],
    except: [],
  },
  fr: {
    signs: [
      'me suicider', 'suicid*', 'veux mourir', 'envie de mourir', 'voudrais mourir', 'veux me tuer', 'me donner la mort',
      'en finir avec la vie', 'mettre fin à mes jours', 'plus envie de vivre', 'veux plus vivre', 'pas envie de vivre',
      'aucune raison de vivre', 'mieux sans moi', "m'ôter la vie", 'automutil*', "m'automutil*", 'me scarifi*',
      'me faire du mal',
    ],
    except: ['envie de mourir de rire'],
  },
  es: {
    signs: [
      'suicid*', 'quiero morir', 'quiero morirme', 'ganas de morir', 'ganas de morirme', 'quitarme la vida',
      'acabar con mi vida', 'terminar con mi vida', 'no quiero vivir', 'no quiero seguir viviendo',
      'no quiero vivir más', 'ya no quiero vivir', 'quiero matarme', 'voy a matarme', 'mejor sin mí',
      'ninguna razón para vivir', 'sin razón para vivir', 'no tengo razón para vivir', 'autolesion*', 'hacerme daño', 'cortarme las venas',
    ],
    except: ['quiero morirme de risa', 'quiero morir de risa'],
  },
  pt: {
    signs: [
      'suicid*', 'suicíd*', 'me suicidar', 'quero morrer', 'vontade de morrer', 'queria morrer', 'tirar minha vida',
      'tirar a minha vida', 'acabar com minha vida', 'acabar com a minha vida', 'não quero viver',
      'não quero mais viver', 'quero me matar', 'vou me matar', 'melhor sem mim', 'nenhuma razão para viver', 'sem razão para viver',
      'nenhum motivo para viver', 'sem motivo para viver', 'automutil*', 'me mutil*', 'cortar os pulsos',
    ],
    except: ['quero morrer de rir', 'vontade de morrer de rir'],
  },
}

/** No question, no wit, no number that may be wrong where they live: where help is, and what we are. */
export const REFERRALS: Readonly<Record<Language, string>> = {
  en:
    'That sounds very serious, and I am only a program. Please talk to somebody now: a person you trust, a doctor, ' +
    'a crisis line, or your local emergency number if you are in danger. You do not have to be alone with this.',
  de:
    'Das klingt sehr ernst, und ich bin nur ein Programm. Bitte sprich jetzt mit jemandem: mit einem Menschen, dem du ' +
    'vertraust, mit einer Ärztin, der Telefonseelsorge oder, wenn du in Gefahr bist, mit dem Notruf. Du musst damit nicht allein sein.',
  fr:
    "Ce que tu dis est très grave, et je ne suis qu'un programme. Parle à quelqu'un maintenant, s'il te plaît : une " +
    "personne de confiance, un médecin, une ligne d'écoute, ou les urgences si tu es en danger. Tu n'as pas à porter cela sans aide.",
  es:
    'Lo que dices suena muy serio, y yo solo soy un programa. Por favor, habla ahora con alguien: una persona de ' +
    'confianza, un médico, una línea de ayuda o el número de emergencias si estás en peligro. No tienes que pasar por esto sin ayuda.',
  pt:
    'O que você diz parece muito sério, e eu sou apenas um programa. Por favor, fale agora com alguém: uma pessoa de ' +
    'confiança, um médico, uma linha de apoio ou o número de emergência se você está em perigo. Você não precisa passar por isso sem ajuda.',
}
