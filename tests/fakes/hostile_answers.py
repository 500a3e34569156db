"""Two hundred answers that try to run a script or to load something: markup, Markdown, Unicode, and sheer mass."""

import base64
from itertools import cycle, islice

RUN = "window.ran=1"
_ENCODED = base64.b64encode(f"<script>parent.{RUN}</script>".encode()).decode()

_SCRIPTS = (
    "<script>RUN</script>",
    "<SCRIPT SRC=URL/x.js></SCRIPT>",
    "<scr<script>ipt>RUN</scr</script>ipt>",
    "<script\x00>RUN</script>",
    "<script/x>RUN</script >",
    "<script type=module>import 'URL/m.js';RUN</script>",
    "</script><script>RUN</script>",
    "<svg><script>RUN</script></svg>",
    "<svg><script href='URL/x.js'/></svg>",
    "<svg onload=RUN>",
    "<svg><animate onbegin=RUN attributeName=x dur=1s>",
    "<svg><use href='URL/x.svg#a'/></svg>",
    "<svg><image href='URL/i.svg'/></svg>",
    "<svg><foreignObject><iframe src='URL/f'></iframe></foreignObject></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=RUN></style></mglyph></table></mtext></math>",
    "<math><mi xlink:href='javascript:RUN'>x</mi></math>",
)
_HANDLERS = (
    "<img src=x onerror=RUN>",
    "<img src='URL/i.png'>",
    "<img srcset='URL/i.png 1x'>",
    "<img/src=x/onerror=RUN>",
    '<IMG """><SCRIPT>RUN</SCRIPT>">',
    "<img src=`x`onerror=RUN>",
    "<img src=x onerror\x0b=RUN>",
    "<body onload=RUN>",
    "<body background='URL/b.png'>",
    "<input autofocus onfocus=RUN>",
    "<input type=image src='URL/i'>",
    "<select autofocus onfocus=RUN>",
    "<textarea autofocus onfocus=RUN></textarea>",
    "<details open ontoggle=RUN><summary>x</summary></details>",
    "<video src='URL/v' onerror=RUN></video>",
    "<video poster='URL/p'></video>",
    "<audio src='URL/a' onerror=RUN></audio>",
    "<marquee onstart=RUN>x</marquee>",
    "<div onpointerenter=RUN style='position:fixed;inset:0'>x</div>",
    "<style>@keyframes x{}</style><p style='animation:x' onanimationstart=RUN>x</p>",
    "<a href='javascript:RUN' autofocus onfocus=RUN>x</a>",
)
_FRAMES = (
    "<iframe src='URL/f'></iframe>",
    "<iframe srcdoc='<script>parent.RUN</script>'></iframe>",
    "<iframe src='javascript:parent.RUN'></iframe>",
    f"<iframe src='data:text/html;base64,{_ENCODED}'></iframe>",
    "<object data='URL/o'></object>",
    "<embed src='URL/e'>",
    "<frameset><frame src='URL/f'></frameset>",
    "<portal src='URL/p'></portal>",
    "<meta http-equiv=refresh content='0;url=URL/r'>",
    "<meta http-equiv='Content-Security-Policy' content=\"script-src * 'unsafe-inline'\">",
    "<base href='URL/'>",
    "<link rel=stylesheet href='URL/s.css'>",
    "<link rel=prefetch href='URL/p'>",
    "<link rel=dns-prefetch href='URL'>",
    "<style>@import 'URL/s.css';</style>",
    "<style>*{background:url(URL/b)}</style>",
    "<p style='background:url(URL/b)'>x</p>",
    "<p style='width:expression(RUN)'>x</p>",
    "<form action='URL/f'><input autofocus></form><script>document.forms[0].submit()</script>",
    "<button formaction='javascript:RUN'>x</button>",
    "<table background='URL/t'><tr><td background='URL/d'>x</td></tr></table>",
)
_PARSERS = (
    '<noscript><p title="</noscript><img src=x onerror=RUN>">',
    "<template><script>RUN</script></template>",
    "<template shadowrootmode=open><img src=x onerror=RUN></template>",
    '<xmp><p title="</xmp><img src=x onerror=RUN>">',
    "<textarea></textarea><img src=x onerror=RUN></textarea>",
    "<title></title><img src=x onerror=RUN>",
    "<!--><img src=x onerror=RUN>-->",
    "<!-- --!><img src=x onerror=RUN> -->",
    "<![CDATA[><img src=x onerror=RUN>]]>",
    "<?xml-stylesheet href='URL/x.xsl'?>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=RUN>",
    '<svg></p><style><a id="</style><img src=1 onerror=RUN>">',
    "<a id=ran></a><a id=ran name=x href='URL/c'>",
    "<img name=querySelector><form id=document>",
    "{{constructor.constructor('RUN')()}} ${RUN} <%= RUN %>",
    "&lt;img src=x onerror=RUN&gt;",
    "&#60;script&#62;RUN&#60;/script&#62;",
    "\\u003cscript\\u003eRUN\\u003c/script\\u003e",
    "＜script＞RUN＜/script＞",
    "<\u200bscript>RUN</script>",
    "\u202e>tpircs/<RUN>tpircs<\u202c",
    "<moat-chat server='URL' widget='wid_x'></moat-chat>",
    "moat</p></div></article><img src=x onerror=RUN>",
    '"><img src=x onerror=RUN>',
    "' onmouseover='RUN",
)
_MARKDOWN = (
    "![a](URL/i.png)",
    '![a](URL/i.png "title")',
    "![a][r]\n\n[r]: URL/i.png",
    "[![a](URL/i.png)](URL/l)",
    "[a](javascript:RUN)",
    "[a](java\tscript:RUN)",
    "[a](&#106;avascript:RUN)",
    "[a](JaVaScRiPt:RUN)",
    "[a](vbscript:RUN)",
    f"[a](data:text/html;base64,{_ENCODED})",
    "<javascript:RUN>",
    "<URL/auto>",
    "URL/bare",
    "//collect.example/x",
    "[a]('onmouseover=RUN)",
    '![a](x" onerror="RUN)',
    '[a](URL/"onmouseover="RUN)',
    "**<img src=x onerror=RUN>**",
    "`<img src=x onerror=RUN>`",
    "`` ` <script>RUN</script> ` ``",
    "```\n<script>RUN</script>\n```",
    '```html"><img src=x onerror=RUN>\nx\n```',
    "```\nnever closed <script>RUN</script>",
    "| <script>RUN</script> | b |\n|---|---|\n| ![a](URL/t) | c |",
    "# <img src=x onerror=RUN>",
    "- <img src=x onerror=RUN>\n- ![a](URL/l)",
    "1. <svg onload=RUN>",
    "99999999999. x\n999. <svg onload=RUN>",
    "> <iframe src='URL/q'></iframe>",
    "[1]<img src=x onerror=RUN>[1]",
    "[1](javascript:RUN) [1](URL/m)",
    "[1]: javascript:RUN",
    "**[1]** `[1]` **`[1]`",
    "$$\\href{javascript:RUN}{x}$$ \\includegraphics{URL/g}",
    '```mermaid\ngraph TD; A-->B; click A "javascript:RUN"\n```',
    "<details><summary>x</summary>\n\n![a](URL/d)\n\n</details>",
    ":::html\n<script>RUN</script>\n:::",
    "~~<del onmouseover=RUN>~~",
    "[^1]\n\n[^1]: <img src=x onerror=RUN>",
)
_MASS = (
    "<div>" * 5_000 + "<img src=x onerror=RUN>",
    "[" * 5_000 + "a" + "](URL)" * 500,
    "> " * 3_000 + "x",
    "- " * 3_000 + "x",
    "**" * 5_000,
    "`" * 5_001,
    "\n" * 3_000 + "<script>RUN</script>",
    "# " * 2_000,
    "[1]" * 2_000,
    "a" * 60_000,
    "\u202e" * 500 + "RUN" + "\u0301" * 2_000,
    "\ud83d\ude00" * 10,
    "1. x\n" * 1_500,
    "| a " * 2_000 + "|\n" + "|---" * 2_000 + "|",
    "***" * 3_000 + "x" + "***" * 3_000,
)
_WRAPS = ("{}", "So it is [1]. {}", "- {}", "**{}**", "## {}", "`{}`", "{} {}", "> {}")


def hostile_answers(url: str, count: int = 200) -> list[str]:
    """Give `count` different answers; `url` is where nobody may call."""
    single = [*_SCRIPTS, *_HANDLERS, *_FRAMES, *_PARSERS, *_MARKDOWN, *_MASS]
    plain = [text for text in single if len(text) < 1_000]
    pairs = zip(cycle(_WRAPS[1:]), islice(cycle(plain), 7, None), strict=False)
    more = (wrap.replace("{}", text) for wrap, text in pairs)
    wanted = list(dict.fromkeys([*single, *islice(more, count)]))[:count]
    return [_whole(text.replace("URL", url).replace("RUN", RUN)) for text in wanted]


def _whole(text: str) -> str:
    """Join surrogates: JSON carries whole characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
