package amaterasu.resolver;

import java.io.PrintStream;

/** The answer's lines on standard output: a word and its values, separated by tabs. Safe to use from any thread. */
final class Lines {
    private final PrintStream out;

    Lines(PrintStream out) {
        this.out = out;
    }

    synchronized void put(String word, Object... values) {
        StringBuilder line = new StringBuilder(word);
        for (Object value : values)
            line.append('\t').append(escape(String.valueOf(value)));
        out.append(line.append('\n'));
        if (out.checkError()) // nobody reads any more: the actor is gone
            Runtime.getRuntime().halt(1);
    }

    static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length());
        for (char c : text.toCharArray()) {
            switch (c) {
                case '\\' -> out.append("\\\\");
                case '\t' -> out.append("\\t");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\0' -> out.append("\\0");
                default -> out.append(c);
            }
        }
        return out.toString();
    }

    static String unescape(String text) {
        if (text.indexOf('\\') < 0)
            return text;
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\\' && ++i < text.length())
                c = switch (text.charAt(i)) {
                    case 't' -> '\t';
                    case 'n' -> '\n';
                    case 'r' -> '\r';
                    case '0' -> '\0';
                    default -> text.charAt(i);
                };
            out.append(c);
        }
        return out.toString();
    }
}
