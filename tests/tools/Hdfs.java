import java.io.File;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.security.UserGroupInformation;

/** A real NameNode and DataNode in one process: Hdfs FOLDER. Says "hdfs://HOST:PORT" when files can be written; ends when its standard input does. */
final class Hdfs {
    private static Configuration configuration(File folder) {
        Configuration conf = new HdfsConfiguration();
        conf.set("fs.defaultFS", "hdfs://127.0.0.1:0");
        conf.set("hadoop.tmp.dir", folder.getPath());
        conf.set("dfs.namenode.name.dir", new File(folder, "name").toURI().toString());
        conf.set("dfs.datanode.data.dir", new File(folder, "data").toURI().toString());
        conf.set("dfs.namenode.http-address", "127.0.0.1:0");
        conf.set("dfs.namenode.safemode.extension", "0");
        conf.set("dfs.replication", "1");
        for (String address : new String[] { "address", "http.address", "ipc.address" })
            conf.set("dfs.datanode." + address, "127.0.0.1:0");
        conf.set("dfs.datanode.hostname", "127.0.0.1");
        conf.set("dfs.client.use.datanode.hostname", "true");
        return conf;
    }

    public static void main(String[] args) {
        try {
            serve(configuration(new File(args[0])));
        } catch (Throwable e) {
            e.printStackTrace();
        }
        Runtime.getRuntime().halt(1); // its threads are no daemons
    }

    private static void serve(Configuration conf) throws Exception {
        UserGroupInformation.setConfiguration(conf);
        DefaultMetricsSystem.setMiniClusterMode(true); // names may be taken twice: formatting has begun to count, too
        NameNode.format(conf);
        NameNode name = NameNode.createNameNode(new String[0], conf);
        String address = "hdfs://127.0.0.1:" + name.getNameNodeAddress().getPort();
        conf.set("fs.defaultFS", address);
        DataNode data = DataNode.createDataNode(new String[0], conf);
        while (!data.isDatanodeFullyStarted() || name.isInSafeMode() || name.getNamesystem().getNumLiveDataNodes() < 1)
            TimeUnit.MILLISECONDS.sleep(20);
        System.out.println(address);
        System.out.flush();
        while (System.in.read() >= 0)
            ;
        Runtime.getRuntime().halt(0);
    }
}
