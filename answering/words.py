"""The words of a text that carry its meaning, in the language of the question."""

import re
from collections.abc import Mapping

from moat.sparse import ENGLISH, terms

# Function words, above all those of questions; other words are told by their rarity. By ISO 639-1.
_FUNCTION_WORDS: Mapping[str, str] = {
    "en": (
        "a about after all am an and any are as at be been before being but by can could did do does doing for from "
        "had has have having he her here him his how i if in into is it its itself just like me more most much must "
        "my need no nor not of off on once one only or other our out over own please same she should so some such "
        "t s than that the their them then there these they this those through to too under until up us very was we "
        "were what when where which while who whom whose why will with would you your tell many long"
    ),
    "de": (
        "aber alle als am an auch auf aus bei beim bin bis bitte da damit dann das dass dein dem den denn der des die "
        "dies diese diesem diesen dieser dieses doch du durch ein eine einem einen einer eines er es etwas für gibt "
        "haben habe hat hatte ich ihm ihn ihr ihre im in ins ist ja kann kannst können könnte man mein meine mich mir "
        "mit muss müssen nach nicht noch nur ob oder ohne sehr sein seine sich sie sind so soll sollte über um und "
        "uns unser unter viel viele vom von vor wann war warum was weil welche welchem welchen welcher welches wem "
        "wen wenn wer werden wessen wie wieviel wird wir wo woher wohin wurde wurden zu zum zur zwischen"
    ),
    "fr": (
        "à a ai au aux avec avez avoir avons c ce ces cet cette combien comment d dans de des doit dois du elle en "
        "est et étaient était être eu fait faut il ils j je l la le les leur lequel laquelle lesquels ma mais me mes "
        "mon n ne nos notre nous on ont où ou par pas peut peux plus pour pourquoi qu quand que quel quelle quelles "
        "quels qui quoi s sa sans se ses si son sont sous sur ta te tes ton tu un une vos votre vous y"
    ),
    "es": (
        "a al algo como cómo con cual cuál cuáles cuando cuándo cuanta cuánta cuántas cuanto cuánto cuántos de del "
        "desde donde dónde el él ella ellos en entre era es esa ese eso esta está están este esto fue fueron ha hace "
        "han hasta hay la las le les lo los más me mi mis mucho muy no nos nuestro o para pero por porque puede puedo "
        "qué que quién quien quiénes se sea ser si sin sobre son su sus también te tengo tiene tu un una uno unos y ya"
    ),
    "it": (
        "a ad ai al alla alle anche c che chi ci ciò col come con cosa cui da dai dal dalla dei del dell della delle "
        "di dopo dove e è ed era fra gli ha hanno ho i il in io l la le lei lo loro ma mi mia mio nei nel nella non "
        "noi o per perché più può qual quale quali quando quanta quante quanti quanto questa questo se si sia sono "
        "su sua sue sugli sul sulla suo tra tu un una uno vi voi"
    ),
    "pt": (
        "a à ao aos as às até com como da das de dela dele do dos e é ela ele em entre era essa esse está este eu foi "
        "foram há isso já lhe mais mas me meu minha muito na nas não nem no nos o onde os ou para pela pelo per por "
        "porque posso pode qual quais quando quanta quantas quanto quantos que quem são se sem ser seu sobre sua tem "
        "tenho um uma você"
    ),
    "nl": (
        "aan al als bij dan dat de deze die dit door een en er geen had hebben heb heeft het hij hoe hoeveel hun ik "
        "in is je kan kunnen maar me meer met mijn moet moeten na naar niet nog of om onder ons onze ook op over te "
        "tot u uit van veel voor waar waarom wanneer was wat we welk welke werd wie wij word worden wordt ze zich zij "
        "zijn zo zou"
    ),
}  # fmt: skip
# Of scripts without spaces, of which `terms` makes pairs of characters.
_UNSPACED_FUNCTION_WORDS = frozenset((
    "什么", "多少", "哪里", "哪个", "哪些", "为什", "怎么", "怎样", "如何", "是什", "么是", "几个",
    "几天", "可以", "是多", "的是", "是谁", "是否", "是在", "何时", "です", "すか", "ます", "まし", "した",
    "何で", "とは", "する", "ない", "どの", "どこ", "いつ", "입니", "니까", "습니", "있습", "무엇", "얼마",
))  # fmt: skip
STOP_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(terms(words, language)) | _UNSPACED_FUNCTION_WORDS
    for language, words in _FUNCTION_WORDS.items()
}
_PLAIN = {language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()}


def language_of(question: str) -> str:
    """Name the language by its function words; English where they tell nothing.

    A question is too short for a statistical detector, but hardly any has no function word.
    """
    words = question.lower().split()
    bare = [word.strip(".,;:!?¿¡\"'()«»„“”’") for word in words]
    bare += [part for word in bare for part in re.split(r"['’]", word) if part != word]
    counts = {language: sum(word in known for word in bare) for language, known in _PLAIN.items()}
    best = max(counts.values())
    return ENGLISH if counts[ENGLISH] == best else max(counts, key=lambda language: counts[language])


def content_terms(text: str, language: str = ENGLISH) -> list[str]:
    """Split into words without function words, stemmed as this language is."""
    stop = STOP_WORDS.get(language, STOP_WORDS[ENGLISH])
    return [term for term in terms(text, language) if term not in stop]
