"""What instructions to a language model look like, in the languages that documents come in."""

# ruff: noqa: E501 (a pattern is read best on one line)

_MODEL = r"(?:AI|A\.I\.|LLMs?|chat ?bots?|(?:the|an?|any|all|every) (?:AI |virtual |digital )?assistants?|(?:AI|GPT|language|large language) (?:models?|systems?|agents?|assistants?|tools?)|assistants|GPT(?:-\d)?|Claude|Gemini|Copilot)"
_REPLY = r"(?:repl(?:y|ies)|answers?|responses?|outputs?|completions?)"
_EARLIER = r"(?:previous|prior|above|preceding|earlier|foregoing|former|initial|original|existing|other|your|system)"
_RULES = r"(?:instructions?|directions?|directives?|prompts?|rules?|guidelines?|commands?|orders?|constraints?|context|messages?|guardrails?|training|programming)"

PATTERNS: dict[str, tuple[str, ...]] = {
    "override": (
        r"\b(?:ignore|disregard|forget|override|bypass|neglect|discard|do not follow|don't follow|stop following)\b"
        r"(?:\s+(?:all|any|every|each|of|the|these|those|my|and|both|everything|whatever|you|were|told|have|been)){0,6}"
        rf"\s+{_EARLIER}(?:\s+(?:\w+\s+){{0,2}}{_RULES}|\b(?=\s*[.,;:!]))",
        r"\b(?:ignore|disregard|forget)\s+(?:everything|all)\s+(?:\w+\s+){0,3}(?:before|above|said|told|so far)\b",
        r"\bignorier(?:e|en Sie|t)?\b.{0,40}\b(?:Anweisung|Anleitung|Vorgabe|Regel|Instruktion)\w*",
        r"\bverg(?:iss|essen Sie)\b.{0,40}\b(?:Anweisung|Vorgabe|Regel|Instruktion)\w*",
        r"\b(?:ignore[zr]?|oublie[zr]?|ne ten(?:ez|ir) pas compte)\b.{0,40}\b(?:instructions?|consignes?|règles?)\b",
        r"\b(?:ignor[ae](?:d|r|n)?|olvid[ae](?:d|r)?|haz caso omiso)\b.{0,40}\b(?:instrucciones|indicaciones|reglas|órdenes)\b",
        r"\b(?:ignor[aei](?:re|te)?|dimentica(?:re|te)?)\b.{0,40}\b(?:istruzioni|regole|indicazioni)\b",
        r"\b(?:ignor[ea](?:r|m)?|esqueça|esquecer|desconsidere)\b.{0,40}\b(?:instruções|regras|orientações)\b",
        r"\b(?:negeer|vergeet)\b.{0,40}\b(?:instructies|aanwijzingen|regels)\b",
        r"\b(?:zignoruj|ignoruj|zapomnij)\b.{0,40}\b(?:instrukcj|poleceni|zasad)\w*",
        r"\b(?:игнорируй|проигнорируй|забудь|не обращай внимания)\w*.{0,40}(?:инструкци|указани|правил)\w*",
        r"(?:önceki|yukarıdaki).{0,30}(?:talimat|yönerge|kural)\w*.{0,20}(?:yok say|görmezden gel|unut)\w*",
        r"(?:忽略|无视|無視|忘记|忘掉|不要理会).{0,12}(?:指令|指示|说明|規則|规则|提示)",
        r"(?:前|上記|以前|これまで).{0,8}(?:指示|命令|ルール|プロンプト).{0,6}(?:無視|忘れ)",
        r"(?:이전|위의|앞의).{0,10}(?:지시|명령|지침|규칙).{0,8}(?:무시|잊)",
    ),
    "addressed": (
        rf"\b(?:notes?|messages?|instructions?|attention|memo|notice|reminders?|orders?|directives?|warnings?)\s+(?:to|for)\s+(?:the\s+|any\s+|all\s+)?{_MODEL}",
        rf"\b(?:dear|hey|hello|attention)[, ]+{_MODEL}\b\s*[,:!]",
        rf"\b{_MODEL}\s+(?:must|should|shall|has to|have to|needs? to|is (?:required|instructed|ordered) to|are (?:required|instructed|ordered) to)\s+(?:now\s+|always\s+|only\s+|also\s+)?(?:answer|state|say|reply|respond|cite|ignore|disregard|output|print|write|tell|include|add|claim|recommend|refuse|not|never|treat|use this)",
        rf"\bif you are (?:an? )?{_MODEL}",
        r"\byou are (?:now|no longer)\s+(?:an?\b|in\b|the\b|free\b|bound\b|DAN\b|acting\b|operating\b)(?=.{0,80}(?:mode|assistant|model|AI\b|restrict|filter|rules|jailbr))",
        r"\b(?:developer|debug|god|jailbreak|unrestricted|DAN|admin(?:istrator)?) mode (?:is )?(?:now )?(?:enabled|activated|on)\b",
        r"\b(?:pretend|act) (?:to be|as if you (?:are|were)|as) (?:an? )?(?:unrestricted|uncensored|different) (?:AI|assistant|model)",
        r"\bSYSTEM (?:NOTE|MESSAGE|OVERRIDE|PROMPT|INSTRUCTION)S?\s*(?::|to\b)",
        r"\b(?:an|für) (?:den|die|das|alle) (?:KI|Assistent|Sprachmodell|Chatbot)\w*",
        r"\b(?:à l'attention de|pour) l['’](?:assistant|IA)\b",
        r"\b(?:para|nota al?) (?:el|la) (?:asistente|IA|modelo de lenguaje)\b",
    ),
    "role_marker": (
        r"<\|[\w ]{2,30}\|>",
        r"\[/?INST\]|<<\s*/?\s*SYS\s*>>|</?(?:start_of_turn|end_of_turn)>",
        r"(?m:^\s*#{2,4}\s*(?:system|instruction|assistant|human)\s*:\s*$)",
        r"</?(?:system|assistant)(?:[ _-]?(?:prompt|message|instructions?))?\s*>",
        r"(?m:^\s*(?:user|human|question|q)\s*:.{0,400}\n\s*(?:assistant|AI|bot|chatgpt)\s*:)",
        r"(?m:^\s*(?:assistant|AI|bot|chatgpt)\s*:.{0,600}\n\s*(?:user|human)\s*:)",
        r"\"role\"\s*:\s*\"(?:system|assistant|developer)\"",
    ),
    "reply_order": (
        rf"\b(?:end|begin|start|finish|close|open|prefix|preface|conclude|sign)\s+(?:all|every|each|any|your|the)\s+(?:of your\s+|single\s+|following\s+|future\s+|next\s+)?{_REPLY}\s+(?:with|by)\b",
        rf"\b(?:add|append|insert|include|integrate|put|place|embed|state|mention|incorporate|write|give|attach)\b[^\n]{{1,120}}?\b(?:to|in|into|within|at the end of|of)\s+(?:your|every|each|all|any)\s+{_REPLY}\b",
        r"\b(?:reply|respond|answer)\s+(?:only|solely|exclusively|just)\s+(?:with|in|by)\b",
        rf"\bin\s+(?:every|each|any|all)(?: of)?(?: your)?\s+{_REPLY}\b|\bin your (?:reply|answer|response|output)\b(?=[^.\n]{{0,80}}\b(?:suggest|mention|include|add|insert|use|replace|state|promote)\b)",
        r"\b(?:provide|render|write|give|replace|modify|rearrange|misspell|encode|translate|remove|group|introduce|substitute|rephrase|change|anagram|convert|reverse|augment|enhance|scramble|jumble|combine|spell)\b[^.\n]{0,80}\b(?:your\s+(?:reply|answer|response)\b(?!\s+(?:from|by|on)\b)|the\s+(?:reply|answer|response)\b(?!\s+(?:to|from|by|on|of)\b))",
        r"\bdo(?: not|n't)\s+(?:mention|reveal|disclose|tell|talk about|refer to)\s+(?:\w+\s+){0,3}(?:this|these|the above|that)\s+(?:\w+\s+)?(?:note|instructions?|message|text|prompt|rule|directive|comment)",
        r"\bwhen(?:ever)? (?:asked|answering|you (?:are asked|answer|respond|reply|summari[sz]e))\b[^.\n]{0,80},?\s*(?:you must|always|reply|respond|answer|say|state|include|add|never)\b",
        r"\bbeende(?:n Sie)?\b[^.\n]{0,40}\bAntwort\w*|\bantworte(?:n Sie)?\s+(?:nur|ausschließlich)\s+mit\b",
        r"\b(?:réponds|répondez)\s+(?:uniquement|seulement)\b|\b(?:termine|terminez|ajoute|ajoutez)\b[^.\n]{0,60}\b(?:ta|votre|chaque|toutes tes) réponses?\b",
        r"\bresponde\s+(?:solo|únicamente|solamente|somente|apenas)\b|\b(?:termina|añade|agrega|adicione|termine)\b[^.\n]{0,60}\b(?:tu|cada|tus|sua|suas) (?:respuestas?|respostas?)\b",
        r"\brispondi\s+(?:solo|soltanto|unicamente)\b",
        r"(?:只|仅|僅)(?:能|需|要)?(?:回答|回复|回覆|输出)|(?:のみ|だけ)(?:を|と)?(?:答え|回答|返答)",
    ),
    "exfiltration": (
        r"https?://[^\s<>\"')\]]{1,200}[?&/=](?:\{\{?|\[|<|%7B|\$\{?)?(?:USER|QUESTION|QUERY|DATA|PROMPT|CONTEXT|SECRET|CONVERSATION|HISTORY|ANSWER)(?:_\w+)*(?![a-z])",
        r"!\[[^\]\n]{0,200}\]\(\s*https?://[^)\s]{1,300}[?&][\w.-]{1,40}=",
        r"\bfill in the (?:user|question|names|conversation|context)\b",
        r"\b(?:send|post|upload|exfiltrate|forward|transmit|leak|submit)\b[^.\n]{0,100}\b(?:user'?s? question|conversation|chat history|context window|system prompt|other documents|all documents|everything you)\b",
        r"\b(?:names|contents?|text|titles?) of (?:all|any|every) (?:the )?other (?:documents|files|sources)\b",
    ),
    "prompt_probe": (
        r"\b(?:reveal|print|repeat|output|show|display|recite|reproduce|disclose|write out|translate|encode|summari[sz]e)\b[^.\n]{0,60}\b(?:your|the|this|entire|full|whole)\s+(?:\w+\s+)?(?:system prompt|system message|initial prompt|hidden (?:prompt|instructions)|instructions you (?:were|have been) given)",
        r"\b(?:reveal|print|repeat|output|recite|disclose)\s+(?:me\s+)?(?:all\s+(?:of\s+)?)?your (?:\w+\s+)?(?:instructions|prompt|rules|guidelines)\b",
        r"\b(?:repeat|print|output|copy|echo)\b[^.\n]{0,40}\b(?:words|text|everything|all)\s+(?:above|before this)\b",
    ),
    "tool_call": (
        r"\b(?:call|invoke|use|run|execute|trigger)\s+(?:the|a|your)\s+[`'\"]?\w[\w.\-]{1,40}[`'\"]?\s+(?:tool|function|plugin|action)\s+(?:with|to|and|on)\b(?=.{0,200}(?:delete|send|grant|admin|access|corpora|documents?|password|setting|key|mail))",
        r"\"(?:tool_calls?|function_call)\"\s*:",
        r"<(?:tool_call|function_call|invoke)\b",
    ),
    "code_order": (
        r"\b(?:following|subsequent|below)\s+code\s+(?:section|block|snippet|excerpt)s?\b[^\n]{0,80}\byour\s+(?:\w+\s+)?(?:code|codebase|implementation|solution|algorithm|elucidation|response|reply|answer)\b",
        r"\byour\s+(?:code|codebase|implementation|solution|algorithm|response|reply|answer)\b[^\n]{0,100}\b(?:following|subsequent|below)\s+code\s+(?:section|block|snippet|excerpt)s?\b",
    ),
    "false_authority": (
        r"\b(?:all|any|the)\s+(?:figures|numbers|information|documents|statements|sources|facts|data|rules)\s+(?:above|here|below|in this document|in these documents)\s+(?:are|is)\s+(?:\w+\s+)?(?:void|withdrawn|invalid|outdated|wrong|false|incorrect|suspended|superseded)\b",
        r"\bonly (?:valid|correct|authoritative|official|true) (?:figure|number|answer|value|source|document) is\b",
        r"\bcite this (?:document|page|file|text|source) as (?:the|an|your)\b",
    ),
    "encoded": (r"\bdecode\s+(?:this|the following|the)\s+(?:base64|hex|rot13|text|string|message)\b[^\n]{0,60}",),
}
