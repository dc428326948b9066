package amaterasu.resolver;

import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;

/** One small request against a repository in this very process, so that build.sh can archive the classes a real one needs. */
public final class WarmUp {
    private WarmUp() {}

    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 16);
        server.createContext("/", exchange -> {
            byte[] body = file(exchange.getRequestURI().getPath());
            exchange.sendResponseHeaders(body == null ? 404 : 200, body == null ? -1 : body.length);
            if (body != null && !exchange.getRequestMethod().equals("HEAD"))
                exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        Path cache = Files.createTempDirectory(Path.of(args[0]), "warm-up-");
        String url = "http://127.0.0.1:" + server.getAddress().getPort();
        String request = "cache\t" + cache + "\nrepository\twarm-up\t" + url + "\nartifact\ta.b\tone\t1\nend\n";
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int code = Resolve.run(new ByteArrayInputStream(request.getBytes(StandardCharsets.UTF_8)),
            new PrintStream(out, true, StandardCharsets.UTF_8));
        server.stop(0);
        if (code != 0 || !out.toString(StandardCharsets.UTF_8).contains("file\ta.b:two:1\t"))
            throw new IllegalStateException(out.toString(StandardCharsets.UTF_8));
        // not by returning: coursier's threads are no daemons. And not by halt: the archive is written at an orderly exit
        System.exit(0);
    }

    private static byte[] file(String path) {
        boolean sum = path.endsWith(".sha1");
        String plain = sum ? path.substring(0, path.length() - 5) : path;
        byte[] body = switch (plain) {
            case "/a/b/one/1/one-1.pom" -> pom("one",
                "<dependencies><dependency><groupId>a.b</groupId><artifactId>two</artifactId><version>1</version></dependency></dependencies>");
            case "/a/b/two/1/two-1.pom" -> pom("two", "");
            case "/a/b/one/1/one-1.jar", "/a/b/two/1/two-1.jar" -> plain.getBytes(StandardCharsets.UTF_8);
            default -> null;
        };
        if (body == null || !sum)
            return body;
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(body)).getBytes(StandardCharsets.US_ASCII);
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] pom(String name, String inside) {
        return ("<project><modelVersion>4.0.0</modelVersion><groupId>a.b</groupId><artifactId>" + name
            + "</artifactId><version>1</version>" + inside + "</project>").getBytes(StandardCharsets.UTF_8);
    }
}
