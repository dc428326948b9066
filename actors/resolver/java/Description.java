package amaterasu.resolver;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/** What a POM says of its own files. */
record Description(String packaging, boolean relocated) {
    private static final Set<String> JARS = Set.of("jar", "bundle", "maven-plugin", "eclipse-plugin", "ejb", "orbit");

    boolean promisesJar() {
        return !relocated && JARS.contains(packaging);
    }

    static boolean isJarType(String type) {
        return type == null || type.isEmpty() || JARS.contains(type);
    }

    static Description read(Path pom) throws IOException {
        XMLInputFactory factory = XMLInputFactory.newDefaultFactory();
        factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
        factory.setProperty(XMLInputFactory.IS_SUPPORTING_EXTERNAL_ENTITIES, false);
        String packaging = "jar";
        boolean relocated = false;
        int depth = 0;
        try (InputStream in = Files.newInputStream(pom)) {
            XMLStreamReader xml = factory.createXMLStreamReader(in);
            while (xml.hasNext()) {
                int event = xml.next();
                if (event == XMLStreamConstants.END_ELEMENT)
                    depth--;
                if (event != XMLStreamConstants.START_ELEMENT)
                    continue;
                depth++;
                relocated |= depth == 3 && xml.getLocalName().equals("relocation");
                if (depth == 2 && xml.getLocalName().equals("packaging")) {
                    packaging = xml.getElementText().trim();
                    depth--; // its end was read with it
                }
            }
        } catch (XMLStreamException e) {
            throw new IOException(pom.getFileName() + " can not be read", e);
        }
        return new Description(packaging, relocated);
    }
}
