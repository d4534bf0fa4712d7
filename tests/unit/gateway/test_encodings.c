/* test_encodings.c: XML and feeds in; XML, YAML and what a client asks for out. Each row names the section of the
 * KrakenD reference that it comes from. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/decode_xml.h"
#include "gateway/encode.h"
#include "gateway/feed_date.h"
#include "gateway/render.h"
#include "gateway_test.h"

struct row {
    const char *section, *output, *backend, *body, *expected;
};

struct outcome {
    bool decoded;
    struct str body, type, error;
    struct error err;
};

static struct outcome run(const struct row *row, const char *accept, struct str body)
{
    struct str text =
        arena_format(test_arena(), "{\"endpoint\": \"/a\", \"output_encoding\": \"%s\", \"backend\": [{%s}]}",
                     row->output, row->backend);
    const struct service *service = gateway_service_of(text.data);
    struct endpoint *endpoint = gateway_endpoint(service);
    struct http_head *answer = gateway_request("", "", ""), *request = gateway_request("GET", "/a", accept), head;
    struct outcome outcome = {0};
    struct decoded decoded;
    struct str error_type;
    uint16_t status;

    answer->status = 200;
    outcome.decoded =
        render_decode(test_arena(), &endpoint->backends[0], STR("h"), gateway_request("GET", "/u", NULL), answer,
                      guard_copy(body), &decoded, &status, &outcome.err, &outcome.error, &error_type);
    if (outcome.decoded) {
        CHECK(render_answer(test_arena(), NULL, service, endpoint, request, &decoded, &head, &outcome.body,
                            &outcome.err));
        outcome.type = headers_get_id(&head.headers, HEADER_CONTENT_TYPE);
    }
    gateway_forget();
    return outcome;
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct outcome outcome = run(&rows[i], NULL, str_from(rows[i].body));

        test_case_is("%s: %s of %s %s", rows[i].section, rows[i].output, rows[i].backend, rows[i].body);
        if (!outcome.decoded)
            test_fail(__FILE__, __LINE__, "%s", outcome.err.text);
        CHECK_STR(outcome.body, str_from(rows[i].expected));
    }
}

#define XML_IN "\"encoding\": \"xml\""

TEST(xml_is_decoded)
{
    static const struct row rows[] = {
        {"4.4", "json", XML_IN, "<a>x</a>", "{\"a\":\"x\"}"},
        {"4.4", "json", XML_IN, "<a k=\"1\">x<b/></a>", "{\"a\":{\"#text\":\"x\",\"-k\":\"1\",\"b\":\"\"}}"},
        {"4.4", "json", XML_IN, "<?xml version=\"1.0\"?>\n<a k=\"v\" j='1'/>\n", "{\"a\":{\"-j\":\"1\",\"-k\":\"v\"}}"},
        {"4.4", "json", XML_IN, "<a k=\"v\"> text </a>", "{\"a\":{\"#text\":\"text\",\"-k\":\"v\"}}"},
        {"4.4", "json", XML_IN, "<a><b>1</b><b>2</b><c>true</c></a>", "{\"a\":{\"b\":[\"1\",\"2\"],\"c\":\"true\"}}"},
        {"4.4", "json", XML_IN, "<a><b/><c></c><d> \n </d></a>", "{\"a\":{\"b\":\"\",\"c\":\"\",\"d\":\"\"}}"},
        {"4.4", "json", XML_IN, "<a>one<b/>two</a>", "{\"a\":\"one\"}"},
        {"4.4", "json", XML_IN, "<a>one<b/> </a>", "{\"a\":\"one\"}"},
        {"4.4", "json", XML_IN, "<a><b/>one<c/>two</a>", "{\"a\":{\"#text\":\"two\",\"b\":\"\",\"c\":\"\"}}"},
        {"4.4", "json", XML_IN, "<a>one<!-- two -->three</a>", "{\"a\":\"three\"}"},
        {"4.4", "json", XML_IN, "<a>one<?p two?></a>", "{\"a\":\"one\"}"},
        {"4.4", "json", XML_IN, "<a><![CDATA[<b>&]]></a>", "{\"a\":\"\\u003cb\\u003e\\u0026\"}"},
        {"4.4", "json", XML_IN, "<a>1 &lt; 2 &#38; &#x33;</a>", "{\"a\":\"1 \\u003c 2 \\u0026 3\"}"},
        {"4.4", "json", XML_IN, "<n:a xmlns:n=\"u\" n:k=\"v\"><n:b>1</n:b></n:a>",
         "{\"a\":{\"-k\":\"v\",\"-n\":\"u\",\"b\":\"1\"}}"},
        {"4.4", "json", XML_IN, "<a xmlns=\"u\">1</a>", "{\"a\":{\"#text\":\"1\",\"-xmlns\":\"u\"}}"},
        {"4.4", "json", XML_IN, "<a/><b/> trailing", "{\"a\":\"\"}"},
        {"4.4", "json", XML_IN, "<!DOCTYPE a SYSTEM \"http://127.0.0.1:1/a.dtd\"><a>1</a>", "{\"a\":\"1\"}"},
        {"4.4", "json", XML_IN, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>", "{\"a\":\"\xc3\xa9\"}"},
        {"4.4", "json", XML_IN, "<?xml version=\"1.0\" encoding=\"windows-1252\"?><a>\x80\xe9</a>",
         "{\"a\":\"\xe2\x82\xac\xc3\xa9\"}"},
        {"4.4", "json", XML_IN, "<?xml version=\"1.0\" encoding=\"ISO-8859-15\"?><a>\xa4</a>",
         "{\"a\":\"\xe2\x82\xac\"}"},
        {"4.4", "json", XML_IN ", \"is_collection\": true", "<a><b>1</b></a>",
         "{\"collection\":{\"a\":{\"b\":\"1\"}}}"},
        {"4.4", "json", XML_IN ", \"target\": \"a\", \"allow\": [\"b\"]", "<a><b>1</b><c>2</c></a>", "{\"b\":\"1\"}"},
        {"4.4", "json", XML_IN ", \"target\": \"a.b\"", "<a><b>1</b></a>", "{}"},
    };

    check_rows(rows, COUNT_OF(rows));
}

TEST(xml_errors_are_told)
{
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"", "EOF"},
        {"  \n", "EOF"},
        {"<!-- nothing -->", "EOF"},
        {"<a>", "xml.Decoder.Token() - XML syntax error on line 1: unexpected EOF"},
        {"<a>\n<b></a>", "xml.Decoder.Token() - XML syntax error on line 2: mismatched tag"},
        {"<a>&nbsp;</a>", "xml.Decoder.Token() - XML syntax error on line 1: undefined entity"},
        {"<a k=1/>", "xml.Decoder.Token() - XML syntax error on line 1: not well-formed (invalid token)"},
        {"{\"a\":1}", "EOF"},
        {"{\"a\":\"<\"}", "xml.Decoder.Token() - XML syntax error on line 1: not well-formed (invalid token)"},
        {"<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", "XML: entities are not taken from a document"},
        {"<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
         "XML: entities are not taken from a document"},
        {"<!DOCTYPE a SYSTEM \"x\"><a>&e;</a>", "XML: invalid character entity"},
        {"<?xml version=\"1.0\" encoding=\"martian\"?><a/>",
         "xml.Decoder.Token() - XML syntax error on line 1: unknown encoding"},
    };
    static const struct row row = {"4.3", "json", XML_IN, NULL, NULL};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct outcome outcome = run(&row, NULL, str_from(rows[i].body));

        test_case_is("%s", rows[i].body);
        CHECK(!outcome.decoded);
        CHECK_STR(outcome.error, str_from(rows[i].text));
        CHECK_EQ(outcome.err.code, ERROR_BAD_BODY);
    }
}

TEST(xml_is_bounded)
{
    static const struct row row = {"4.3", "json", XML_IN, NULL, NULL};
    struct json_writer deep = {.arena = test_arena()}, wide = {.arena = test_arena()};
    struct outcome outcome;

    for (unsigned i = 0; i < XML_DEPTH_MAX + 1; i++)
        json_write_raw(&deep, STR("<a>"));
    outcome = run(&row, NULL, json_written(&deep));
    CHECK(!outcome.decoded);
    CHECK_EQ(outcome.err.code, ERROR_BODY_TOO_LARGE);
    deep.len -= 3;
    for (unsigned i = 0; i < XML_DEPTH_MAX; i++)
        json_write_raw(&deep, STR("</a>"));
    CHECK(run(&row, NULL, json_written(&deep)).decoded);
    json_write_raw(&wide, STR("<a "));
    for (unsigned i = 0; i < XML_ATTRIBUTES_MAX + 1; i++)
        json_write_raw(&wide, arena_format(test_arena(), "k%u='' ", i));
    json_write_raw(&wide, STR("/>"));
    CHECK_EQ(run(&row, NULL, json_written(&wide)).err.code, ERROR_BODY_TOO_LARGE);
}

/* Names that all differ must not cost the square of their number. */
TEST(xml_with_many_names_is_quick)
{
    static const struct row row = {"4.3", "json", XML_IN, NULL, NULL};
    struct json_writer text = {.arena = test_arena()};

    json_write_raw(&text, STR("<a>"));
    for (unsigned i = 0; i < 60000; i++) {
        json_write_raw(&text, STR("<b"));
        json_write_u64(&text, i);
        json_write_raw(&text, STR("/>"));
    }
    json_write_raw(&text, STR("</a>"));
    CHECK(run(&row, NULL, json_written(&text)).decoded);
}

TEST(xml_is_written)
{
    static const struct row rows[] = {
        {"4.4", "xml", "", "{\"a\":1.0}", "<a>1.0</a>"},
        {"4.4", "xml", "", "{\"b\":2,\"a\":\"x\"}", "<doc><a>x</a><b>2</b></doc>"},
        {"4.4", "xml", "", "{\"a\":[1,2]}", "<doc><a>1</a><a>2</a></doc>"},
        {"4.4", "xml", "", "{\"a\":[{\"b\":1},{\"b\":2}]}", "<a><b>1</b></a><a><b>2</b></a>"},
        {"4.4", "xml", "", "{\"a\":[{\"b\":1},2]}", "<doc><a><b>1</b></a><a>2</a></doc>"},
        {"4.4", "xml", "", "{\"a\":{},\"b\":\"\",\"c\":null,\"d\":[]}", "<doc><a/><b/><c/><d/></doc>"},
        {"4.4", "xml", "", "{\"a\":{\"-k\":1,\"-j\":true,\"#text\":\"x\"}}", "<a j=\"true\" k=\"1\">x</a>"},
        {"4.4", "xml", "", "{\"a\":{\"-k\":\"v\"}}", "<a k=\"v\"/>"},
        {"4.4", "xml", "", "{\"a\":{\"-k\":[1]}}", ""},
        {"4.4", "xml", "", "{\"a\":\"<&>\\\"'\"}", "<a>&lt;&amp;&gt;&quot;&apos;</a>"},
        {"4.4", "xml", "", "{\"a\":{\"-k\":\"<\\\"\"}}", "<a k=\"&lt;&quot;\"/>"},
        {"4.4", "xml", "", "{\"a\":true,\"b\":false}", "<doc><a>true</a><b>false</b></doc>"},
        {"4.4", "xml", "", "{\"a\":[[1,2],3]}", "<doc><a>1</a><a>2</a><a>3</a></doc>"},
        {"4.4", "xml", "", "{}", "<doc/>"},
        {"4.4", "xml", "", "null", "<doc/>"},
        {"4.4", "xml", XML_IN, "<a k=\"v\"><c>1</c><b>2</b></a>", "<a k=\"v\"><b>2</b><c>1</c></a>"},
        {"7.4 xml_1", "xml", XML_IN, "<q:user xmlns:q=\"u\" type=\"x\"><name>A &amp; B</name><i>1</i><i>2</i></q:user>",
         "<user q=\"u\" type=\"x\"><i>1</i><i>2</i><name>A &amp; B</name></user>"},
        {"3.5", "unheard-of", XML_IN, "<a>1</a>", "<a>1</a>"},
    };

    check_rows(rows, COUNT_OF(rows));
    CHECK_TEXT(run(&rows[0], NULL, STR("{}")).type, "application/xml");
}

TEST(yaml_is_written)
{
    static const struct row rows[] = {
        {"4.4", "yaml", "", "{\"b\":\"x\",\"a\":true}", "a: true\nb: x\n"},
        {"4.4", "yaml", "", "{\"a\":1,\"b\":-1.5,\"c\":1e5}", "a: \"1\"\nb: \"-1.5\"\nc: 1e5\n"},
        {"4.4", "yaml", "", "null", "{}\n"},
        {"4.4", "yaml", "",
         "{\"a\":\"0x1f\",\"b\":\"018\",\"c\":\"1_0.5e3\",\"d\":\".inf\",\"e\":\"12:61\",\"f\":\"2020-01-02T03:04:"
         "05Z\"}",
         "a: \"0x1f\"\nb: 018\nc: \"1_0.5e3\"\nd: .inf\ne: 12:61\nf: \"2020-01-02T03:04:05Z\"\n"},
        {"4.4", "yaml", "", "{\"a\":\"0_\",\"b\":\"0_7\",\"c\":\"0_8\"}", "a: \"0_\"\nb: \"0_7\"\nc: 0_8\n"},
        /* Ends of lines that are none in JSON. */
        {"4.4", "yaml", "", "{\"a\":\"x\\ry:\\tz\",\"b\":\"x\\r\\ny\",\"c\":\"x\\u0085y\",\"d\":\"\\u2028x\\u2029\"}",
         "a: \"x\\ry:\\tz\"\nb: \"x\\r\\ny\"\nc: \"x\\u0085y\"\nd: \"\\u2028x\\u2029\"\n"},
        {"4.4", "yaml", "\"encoding\": \"string\"", "#\a\xff\xc3\xa9", "content: \"#\\a\\xff\xc3\xa9\"\n"},
        {"4.4", "yaml", "", "{\"a\":{\"c\":null,\"b\":{}}}", "a:\n  b: {}\n  c: null\n"},
        {"4.4", "yaml", "", "{\"a\":[\"x\",{\"c\":\"z\",\"b\":\"y\"},[],[\"p\",\"q\"]]}",
         "a:\n- x\n- b: \"y\"\n  c: z\n- []\n- - p\n  - q\n"},
        {"4.4", "yaml", "", "{\"a\":{\"b\":[\"x\"]}}", "a:\n  b:\n  - x\n"},
        {"4.4", "yaml", "", "{\"a\":\"12\",\"b\":\"true\",\"c\":\"null\",\"d\":\"\",\"e\":\"2020-01-02\",\"f\":\"on\"}",
         "a: \"12\"\nb: \"true\"\nc: \"null\"\nd: \"\"\ne: \"2020-01-02\"\nf: \"on\"\n"},
        {"4.4", "yaml", "", "{\"a\":\"- x\",\"b\":\"a: b\",\"c\":\"*x\",\"d\":\"x #y\",\"e\":\"x:\",\"f\":\"it's\"}",
         "a: \"- x\"\nb: \"a: b\"\nc: \"*x\"\nd: \"x #y\"\ne: \"x:\"\nf: it's\n"},
        {"4.4", "yaml", "", "{\"a\":\"one\\ntwo\",\"b\":\"one\\n\"}", "a: |-\n  one\n  two\nb: |\n  one\n"},
        {"4.4", "yaml", "", "{\"a\":\"tab\\there\"}", "a: tab\there\n"},
        {"4.4", "yaml", "", "{\"-type\":\"x\",\"#text\":\"y\",\"1\":\"z\"}", "\"#text\": \"y\"\n-type: x\n\"1\": z\n"},
        {"4.4", "yaml", "", "{}", "{}\n"},
        {"4.4", "yaml", "\"is_collection\": true", "[]", "collection: []\n"},
        {"4.4", "yaml", XML_IN, "<a k=\"v\"><b>1</b></a>", "a:\n  -k: v\n  b: \"1\"\n"},
    };

    check_rows(rows, COUNT_OF(rows));
    CHECK_TEXT(run(&rows[0], NULL, STR("{}")).type, "application/yaml; charset=utf-8");
}

TEST(negotiation_follows_accept)
{
    static const struct {
        const char *accept, *type;
    } rows[] = {
        {NULL, "application/json; charset=utf-8"},
        {"Accept: */*", "application/json; charset=utf-8"},
        {"Accept: application/json; charset=utf-8", "application/json; charset=utf-8"},
        {"Accept: text/plain", "application/yaml; charset=utf-8"},
        {"Accept: application/x-yaml", "application/yaml; charset=utf-8"},
        {"Accept: application/xml", "application/xml"},
        {"Accept: application/xml;q=0.1, application/json;q=0.9", "application/xml"},
        {"Accept: text/html, application/xml", "application/xml"},
        {"Accept: text/xml", "application/json; charset=utf-8"},
        {"Accept: application/yaml", "application/json; charset=utf-8"},
        {"Accept: text/html", "application/json; charset=utf-8"},
        {"Accept: text/*", "application/yaml; charset=utf-8"},
        {"Accept: application/*", "application/json; charset=utf-8"},
        {"Accept: application/x", "application/xml"},
        {"Accept: ", "application/json; charset=utf-8"},
    };
    static const struct row row = {"3.5", "negotiate", "", NULL, NULL};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].accept ? rows[i].accept : "nothing");
        CHECK_STR(run(&row, rows[i].accept, STR("{\"a\":1}")).type, str_from(rows[i].type));
    }
}

static const char rss[] =
    "<?xml version=\"1.0\"?>\n<rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" "
    "xmlns:content=\"c\" xmlns:media=\"m\"><channel><title>News</title><link>http://n.example</link>"
    "<description>All &amp; more</description><language>en</language><copyright>me</copyright>"
    "<managingEditor>ed@n.example (Ed)</managingEditor><pubDate>Mon, 02 Jan 2006 15:04:05 GMT</pubDate>"
    "<lastBuildDate>Tue, 03 Jan 2006 00:00:00 GMT</lastBuildDate><category>a</category><category>b</category>"
    "<image><url>http://n.example/i.png</url></image>"
    "<item><title>One</title><description>D</description><link>http://n.example/1</link>"
    "<content:encoded><![CDATA[<p>x <img src=\"i.png\"></p>]]></content:encoded><guid>g1</guid>"
    "<pubDate>Mon, 02 Jan 2006 15:04:05 -0700</pubDate><dc:creator>Ann</dc:creator><category>c</category>"
    "<enclosure url=\"u\" length=\"3\" type=\"audio/mpeg\"/></item>"
    "<item><title>Two</title></item></channel></rss>";

static const char atom[] =
    "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"de\"><title type=\"html\">F</title><subtitle>S</subtitle>"
    "<updated>2006-01-02T15:04:05+01:00</updated><author><name>N</name><email>e@x</email></author><rights>R</rights>"
    "<logo>l.png</logo><entry><title>E</title><id>i1</id><summary>sum</summary><content "
    "type=\"xhtml\"><div>x<b>y</b></div>"
    "</content><link rel=\"self\" href=\"s\"/><link href=\"h\"/><updated>2006-01-02T15:04:05Z</updated>"
    "<published>2006-01-01</published><category term=\"t\"/></entry></feed>";

TEST(feeds_are_decoded)
{
    static const struct row rows[] = {
        {"4.3", "json", "\"encoding\": \"rss\", \"allow\": [\"items\"]",
         "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><updated>2006-01-02T15:04:05Z</updated></entry></feed>",
         "{\"items\":[{\"updated\":\"2006-01-02T15:04:05Z\",\"updatedParsed\":\"2006-01-02T15:04:05Z\","
         "\"published\":\"2006-01-02T15:04:05Z\",\"publishedParsed\":\"2006-01-02T15:04:05Z\"}]}"},
        {"4.3", "json", "\"encoding\": \"rss\", \"allow\": [\"items\"]",
         "<rss xmlns:media=\"http://search.yahoo.com/mrss/\"><channel><item><description>&lt;img "
         "src=\"z\"></description>"
         "<link>a</link><enclosure url=\"e\" type=\"image/png\"/></item></channel></rss>",
         "{\"items\":[{\"description\":\"\\u003cimg src=\\\"z\\\"\\u003e\",\"link\":\"a\",\"links\":[\"a\"],"
         "\"enclosures\":[{\"url\":\"e\",\"type\":\"image/png\"}]}]}"},
        {"4.3", "json", "\"encoding\": \"rss\", \"allow\": [\"items\"]",
         "<rss><channel><item><description type=\"xhtml\"><div>x</div></description></item></channel></rss>",
         "{\"items\":[{\"description\":\"\\u003cdiv\\u003ex\\u003c/div\\u003e\"}]}"},
        {"the last link counts, also when it is empty; one without text may have it in href", "json",
         "\"encoding\": \"rss\", \"allow\": [\"items\"]",
         "<rss xmlns:a=\"a\"><channel><item><link>1</link><link> 2 </link></item><item><link>1</link><link/></item>"
         "<item><link href=\"h\"/></item><item><link href=\"h\">1</link></item><item><link/><link>2</link></item>"
         "</channel></rss>",
         "{\"items\":[{\"link\":\"2\",\"links\":[\"1\",\"2\"]},{\"links\":[\"1\",\"\"]},"
         "{\"link\":\"h\",\"links\":[\"h\"]},{\"link\":\"1\",\"links\":[\"1\"]},"
         "{\"link\":\"2\",\"links\":[\"\",\"2\"]}]}"},
        {"names in capitals are others", "json", "\"encoding\": \"rss\", \"allow\": [\"items\"]",
         "<rss><channel><item><LINK>1</LINK><title>t</title></item></channel></rss>",
         "{\"items\":[{\"title\":\"t\"}]}"},
        {"4.3", "json", "\"encoding\": \"rss\"", rss,
         "{\"author\":{\"name\":\"Ed\",\"email\":\"ed@n.example\"},\"categories\":[\"a\",\"b\"],\"copyright\":\"me\","
         "\"custom\":null,\"description\":\"All \\u0026 more\",\"img_url\":\"http://n.example/i.png\",\"items\":["
         "{\"title\":\"One\",\"description\":\"D\",\"content\":\"\\u003cp\\u003ex \\u003cimg "
         "src=\\\"i.png\\\"\\u003e\\u003c/p\\u003e\",\"link\":\"http://n.example/1\",\"links\":[\"http://n.example/"
         "1\"],"
         "\"published\":\"Mon, 02 Jan 2006 15:04:05 -0700\",\"publishedParsed\":\"2006-01-02T22:04:05Z\","
         "\"author\":{\"name\":\"Ann\"},\"authors\":[{\"name\":\"Ann\"}],\"guid\":\"g1\","
         "\"categories\":[\"c\"],\"enclosures\":[{\"url\":\"u\",\"length\":\"3\",\"type\":\"audio/mpeg\"}],"
         "\"dcExt\":{\"creator\":[\"Ann\"]},\"extensions\":{\"dc\":{\"creator\":[{\"name\":\"creator\",\"value\":"
         "\"Ann\","
         "\"attrs\":{},\"children\":{}}]}}},{\"title\":\"Two\"}],\"language\":\"en\",\"published\":\"Mon, 02 Jan 2006 "
         "15:04:05 GMT\",\"title\":\"News\",\"type\":\"rss\",\"updated\":\"Tue, 03 Jan 2006 00:00:00 GMT\"}"},
        {"4.3", "json", "\"encoding\": \"rss\"", atom,
         "{\"author\":{\"name\":\"N\",\"email\":\"e@x\"},\"categories\":null,\"copyright\":\"R\",\"custom\":null,"
         "\"description\":\"S\",\"img_url\":\"l.png\",\"items\":[{\"title\":\"E\",\"description\":\"sum\",\"content\":"
         "\"x\\u003cb\\u003ey\\u003c/b\\u003e\",\"link\":\"h\",\"links\":[\"s\",\"h\"],"
         "\"updated\":\"2006-01-02T15:04:05Z\",\"updatedParsed\":\"2006-01-02T15:04:05Z\",\"published\":\"2006-01-01\","
         "\"publishedParsed\":\"2006-01-01T00:00:00Z\",\"guid\":\"i1\",\"categories\":[\"t\"]}],\"language\":\"de\","
         "\"published\":\"\",\"title\":\"F\",\"type\":\"atom\",\"updated\":\"2006-01-02T15:04:05+01:00\"}"},
        {"4.3", "json", "\"encoding\": \"rss\", \"allow\": [\"title\", \"items\"]",
         "<rss><channel><title>T</title></channel></rss>", "{\"items\":[],\"title\":\"T\"}"},
        {"4.3", "json", "\"encoding\": \"RSS\", \"allow\": [\"items\"]",
         "<rdf:RDF xmlns:rdf=\"r\"><channel/><item><title>A</title></item></rdf:RDF>",
         "{\"items\":[{\"title\":\"A\"}]}"},
        {"4.3", "xml", "\"encoding\": \"rss\", \"allow\": [\"items\"]",
         "<rss><channel><item><title>A</title></item></channel></rss>", "<items><title>A</title></items>"},
    };
    static const struct row none = {"4.3", "json", "\"encoding\": \"rss\"", NULL, NULL};

    check_rows(rows, COUNT_OF(rows));
    CHECK_TEXT(run(&none, NULL, STR("<html/>")).error, "Failed to detect feed type");
    CHECK_TEXT(run(&none, NULL, STR("")).error, "EOF");
}

TEST(feed_dates_are_understood)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"},
        {"Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02T22:04:05Z"},
        {"2 January 2006 15:04 EST", "2006-01-02T20:04:00Z"},
        {"Fri, 31 Dec 99 23:30:00 PST", "2000-01-01T07:30:00Z"},
        {"2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z"},
        {"2006-03-01T00:30:00.123+01:00", "2006-02-28T23:30:00Z"},
        {"2008-03-01T00:30:00+01:00", "2008-02-29T23:30:00Z"},
        {"2000-02-29", "2000-02-29T00:00:00Z"},
        {"1970-01-01 00:00:00", "1970-01-01T00:00:00Z"},
        {"yesterday", NULL},
        {"", NULL},
        {"2006-13-02", NULL},
        {"2006-01-02T25:00:00Z", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str date = feed_date(test_arena(), str_from(rows[i].text));

        test_case_is("%s", rows[i].text);
        CHECK(rows[i].expected ? date.data != NULL : date.data == NULL);
        if (rows[i].expected)
            CHECK_STR(date, str_from(rows[i].expected));
    }
}

TEST(feeds_and_xml_bear_arenas_of_every_size)
{
    unsigned made = 0, refused = 0;

    for (size_t bytes = 256; bytes < 131072; bytes += 600) {
        struct arena *arena = arena_new(NULL, bytes);
        struct data feed, tree;
        struct error err;
        size_t at;

        if (arena && decode_feed(arena, str_from(rss), &feed, &at, &err) &&
            decode_xml(arena, str_from(atom), &tree, &at, &err) && encode_xml(arena, &tree).data &&
            encode_yaml(arena, &feed).data)
            made++;
        else
            refused++;
        arena_free(arena);
    }
    CHECK(made > 0);
    CHECK(refused > 0);
}
