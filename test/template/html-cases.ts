/**
 * HTML templates: every printed value is escaped for the place it stands in. Written from the security model of
 * Go's html/template; the data is `EVENT` of `data.ts`.
 */

const EVIL = "&#34;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;";

export const HTML_CASES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  text: [
    ["<b>{{.Name}}</b>", "<b>cpu</b>"],
    ["{{.Fields.evil}}", EVIL],
    ["{{.Time}}", "2020-09-13 12:26:40 &#43;0000 UTC"],
    ["{{.Fields.text}}", "x&lt;y"],
    ["{{.Tags.nope}}", ""],
    ["{{.Fields.nothing}}", ""],
    ["a < b", "a &lt; b"],
    ["1 <2 <b>x</b>", "1 &lt;2 <b>x</b>"],
    ["<!DOCTYPE html><p>{{.Name}}", "<!DOCTYPE html><p>cpu"],
    ["a<!-- secret -->b", "ab"],
    ["a<!-- {{.Name}} -->b", "ab"],
    ["{{.Name | html}}", "cpu"],
    ["{{.Fields.text | html}}", "x&lt;y"],
    ["{{html .Fields.text}}", "x&lt;y"],
    ["{{printf `%s` .Fields.text}}", "x&lt;y"],
    ["{{if true}}<b>{{.Fields.text}}</b>{{end}}", "<b>x&lt;y</b>"],
    ["{{range $k, $v := .Tags}}<i>{{$k}}={{$v}}</i>{{end}}", "<i>dc=x</i><i>host=a</i>"],
    ["{{$x := .Fields.text}}{{$x}}", "x&lt;y"],
    ["<br/>{{.Name}}", "<br/>cpu"],
    ["<p\n>{{.Name}}</p\n>", "<p\n>cpu</p\n>"],
  ],
  "element content with its own rules": [
    ["<title>{{.Fields.evil}}</title>", `<title>${EVIL}</title>`],
    ["<textarea>{{.Fields.text}}</textarea>{{.Fields.text}}", "<textarea>x&lt;y</textarea>x&lt;y"],
    ["<textarea><b></textarea>", "<textarea>&lt;b></textarea>"],
  ],
  "quoted attributes": [
    ['<a title="{{.Fields.evil}}">', `<a title="${EVIL}">`],
    ["<a title='{{.Fields.quote}}'>", "<a title='it&#39;s &#34;q&#34;'>"],
    ['<a title="x {{.Name}} y">', '<a title="x cpu y">'],
    ['<a title = "{{.Name}}">', '<a title = "cpu">'],
    ['<input disabled value="{{.Fields.text}}">', '<input disabled value="x&lt;y">'],
    ['<a title="{{.Fields.text | html}}">', '<a title="x&lt;y">'],
  ],
  "unquoted attributes": [
    ["<a class={{.Name}}>", "<a class=cpu>"],
    ["<a title={{.Fields.quote}}>", "<a title=it&#39;s&#32;&#34;q&#34;>"],
    ["<a title={{.Tags.nope}}>", "<a title=ZgotmplZ>"],
    ["<a title=x{{.Name}} id=y>", "<a title=xcpu id=y>"],
  ],
  "attribute names": [
    ["<a {{.Name}}=1>", "<a cpu=1>"],
    ["<a {{.Fields.evil}}>", "<a ZgotmplZ>"],
    ['<a {{"onclick"}}=1>', "<a ZgotmplZ=1>"],
    ['<a {{"href"}}=1>', "<a ZgotmplZ=1>"],
  ],
  addresses: [
    ['<a href="{{.Fields.link}}">', '<a href="https://example.com/a%20b?c=d&amp;e">'],
    ['<a href="{{.Fields.script}}">', '<a href="#ZgotmplZ">'],
    ['<a href="/x/{{.Fields.quote}}">', '<a href="/x/it%27s%20%22q%22">'],
    [
      '<a href="/x?q={{.Fields.link}}">',
      '<a href="/x?q=https%3A%2F%2Fexample.com%2Fa%20b%3Fc%3Dd%26e">',
    ],
    ['<a href="/x?q={{.Fields.quote | urlquery}}">', '<a href="/x?q=it%27s%20%22q%22">'],
    ['<img src="{{.Fields.script}}">', '<img src="#ZgotmplZ">'],
    ['<a data-href="{{.Fields.script}}">', '<a data-href="#ZgotmplZ">'],
    ['<a xlink:href="{{.Fields.script}}">', '<a xlink:href="#ZgotmplZ">'],
    ['<a href="mailto:{{.Name}}">', '<a href="mailto:cpu">'],
    ['<a href="{{"mailto:x@y"}}">', '<a href="mailto:x@y">'],
    ['<a href="#{{.Fields.text}}">', '<a href="#x%3Cy">'],
    ["<a href={{.Fields.link}}>", "<a href=https://example.com/a%20b?c&#61;d&amp;e>"],
    ['<img srcset="{{.Fields.script}} 2x">', '<img srcset="#ZgotmplZ 2x">'],
  ],
  JavaScript: [
    ["<script>var x = {{.Fields.count}};</script>", "<script>var x =  3 ;</script>"],
    ["<script>var x = {{.Fields.quote}};</script>", '<script>var x = "it\'s \\"q\\"";</script>'],
    ["<script>var x = {{.Tags}};</script>", '<script>var x = {"dc":"x","host":"a"};</script>'],
    [
      "<script>var x = '{{.Fields.quote}}';</script>",
      "<script>var x = 'it\\u0027s \\u0022q\\u0022';</script>",
    ],
    [
      '<script>var x = "{{.Fields.evil}}";</script>',
      '<script>var x = "\\u0022\\u003e\\u003cscript\\u003ealert(\\u00271\\u0027)\\u003c\\/script\\u003e";</script>',
    ],
    [
      "<script>f({{.Fields.evil}})</script>",
      '<script>f("\\"\\u003e\\u003cscript\\u003ealert(\'1\')\\u003c/script\\u003e")</script>',
    ],
    ["<script>var x = {{.Fields.nothing}}</script>", "<script>var x =  null </script>"],
    ["<script>x = /{{.Name}}/g</script>", "<script>x = /cpu/g</script>"],
    ["<script>x = a / {{.Fields.count}}</script>", "<script>x = a /  3 </script>"],
    ["<script>/* {{.Name}} */x</script>", "<script> x</script>"],
    ["<script>x // {{.Name}}\ny</script>", "<script>x \ny</script>"],
    ["<script>x</script>{{.Fields.text}}", "<script>x</script>x&lt;y"],
    ['<a onclick="f({{.Fields.quote}})">', '<a onclick="f(&#34;it&#39;s \\&#34;q\\&#34;&#34;)">'],
    ["<a onclick='f(\"{{.Name}}\")'>", "<a onclick='f(\"cpu\")'>"],
    [
      "<script>var x = {{json .Tags}};</script>",
      '<script>var x = {"dc":"x","host":"a"}\n;</script>',
    ],
  ],
  CSS: [
    ['<p style="color: {{.Name}}">', '<p style="color: cpu">'],
    ['<p style="width: {{.Fields.count}}px">', '<p style="width: 3px">'],
    ['<p style="x: {{.Fields.evil}}">', '<p style="x: ZgotmplZ">'],
    ['<p style="x: {{"expression(1)"}}">', '<p style="x: ZgotmplZ">'],
    ["<style>p { color: {{.Name}} }</style>", "<style>p { color: cpu }</style>"],
    [
      '<style>p { font: "{{.Fields.quote}}" }</style>',
      '<style>p { font: "it\\27s \\22q\\22 " }</style>',
    ],
    ["<style>p { b: url({{.Fields.script}}) }</style>", "<style>p { b: url(#ZgotmplZ) }</style>"],
    [
      "<style>p { b: url('/x?{{.Fields.text}}') }</style>",
      "<style>p { b: url('/x?x%3Cy') }</style>",
    ],
    ["<style>/* {{.Name}} */p</style>", "<style> p</style>"],
  ],
  "json of alert details": [
    ["{{jsonCompact .Tags}}", "{&#34;dc&#34;:&#34;x&#34;,&#34;host&#34;:&#34;a&#34;}"],
    ["{{json .Tags}}", "{&#34;dc&#34;:&#34;x&#34;,&#34;host&#34;:&#34;a&#34;}\n"],
    ["{{json .Fields.text}}", "&#34;x\\u003cy&#34;\n"],
    ["{{json .Duration}}", "85000000000\n"],
    ["{{json .Fields.nope}}", "null\n"],
    ["{{json .Fields.big}}", "9223372036854775807\n"],
  ],
  "templates in other contexts": [
    ['{{define "v"}}{{.}}{{end}}<a title="{{template "v" .Fields.evil}}">', `<a title="${EVIL}">`],
    [
      '{{define "v"}}{{.}}{{end}}<a href="{{template "v" .Fields.script}}">',
      '<a href="#ZgotmplZ">',
    ],
    ['{{define "v"}}<b>{{.}}</b>{{end}}{{template "v" .Fields.text}}', "<b>x&lt;y</b>"],
    ['<a{{if true}} title="{{.Name}}"{{end}}>', '<a title="cpu">'],
    ['<a href="/{{if true}}x{{else}}y{{end}}/{{.Name}}">', '<a href="/x/cpu">'],
  ],
};

export const HTML_ERRORS: readonly (readonly [string, string])[] = [
  [
    '{{if true}}<a href="{{end}}',
    "html/template:t:1:2: {{if}} branches end in different contexts: ",
  ],
  ['<a href="{{.Name}}', "html/template:t:1:18: ends in a non-text context: "],
  ["<script>var x = 1", "html/template:t:1:17: ends in a non-text context: "],
  ["<script>`{{.Name}}`</script>", "html/template:t:1:11: .Name appears in a JS template literal"],
  [
    '<a href="{{if .Name}}/a?{{else}}/b{{end}}{{.Name}}">',
    "html/template:t:1:43: {{.Name}} appears in an ambiguous context within a URL",
  ],
  [
    "<a title={{.Name | html}}>",
    'html/template:t:1:11: predefined escaper "html" disallowed in template',
  ],
  [
    "{{.Name | html | printf `%s`}}",
    'html/template:t:1:2: predefined escaper "html" disallowed in template',
  ],
  ['{{template "no"}}', 'html/template:t:1:2: no such template "no"'],
  ["<a title=x'y>", 'html/template:t:1:0: "\'" in unquoted attr: '],
];
