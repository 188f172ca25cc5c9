// Sends a purchase of each USER, or of each line of standard input without one:
//   java -cp 'lib/*' Produce.java BROKERS TOPIC [USER ...]
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.*;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

class Produce {
  public static void main(String[] args) throws Exception {
    List<String> users = List.of(args).subList(2, args.length);
    if (users.isEmpty()) users = List.of(new String(System.in.readAllBytes(), "UTF-8").split("\n"));
    ObjectMapper json = new ObjectMapper();
    List<Future<RecordMetadata>> sent = new ArrayList<>();

    // The default partitioner is the one that the shards go by: murmur2 of the key.
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0]);
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      for (String user : users) {
        String event = json.writeValueAsString(Map.of("type", "person", "action", "event",
            "identifiers", Map.of("id", user), "name", "purchase", "attributes", Map.of("total", 12.5)));
        sent.add(producer.send(new ProducerRecord<>(args[1], user, event)));
      }
    }
    for (Future<RecordMetadata> acknowledged : sent) acknowledged.get(); // throws when one was not taken
  }
}
