//! Who changes something reads it back at once.

use ottla_client::Client;
use ottla_sim::World;
use ottla_wire::StrBytes;
use ottla_wire::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};

use crate::support::{client, create_topic, start};

const TOPIC: i8 = 2;

async fn set(client: &Client, key: &'static str, value: &str) {
    let resource = AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: "fish".into(),
        configs: vec![AlterableConfig {
            name: key.into(),
            value: Some(StrBytes::copied(value)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let results = client.admin().alter_configs(vec![resource], false).await.expect("an answer");
    results.into_iter().for_each(|(_, result)| result.expect("it is altered"));
}

async fn described(client: &Client, key: &'static str) -> String {
    let resource = DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: "fish".into(),
        configuration_keys: Some(vec![key.into()]),
        ..Default::default()
    };
    let results = client.admin().describe_configs(vec![resource], false).await.expect("an answer");
    let mut each = results.into_iter().map(|(_, result)| result.expect("it is described"));
    let value = each.next().and_then(|mut result| result.configs.pop()?.value);
    value.expect("it has a value").to_string()
}

async fn partitions(client: &Client) -> Option<usize> {
    let results = client.admin().describe_topics(&["fish".into()]).await.expect("an answer");
    let mut each = results.into_iter().filter_map(|(_, result)| result.ok());
    each.next().map(|topic| topic.partitions.len())
}

#[test]
fn changes_are_read_back_at_once() {
    World::new(5).run(async |world: World| {
        let node = start(&world.node(1)).await;
        let client = client(&world.node(2)).await;
        create_topic(&client, "fish").await;
        for value in ["1", "2", "3", "4", "5"] {
            set(&client, "retention.ms", value).await;
            assert_eq!(described(&client, "retention.ms").await, value);
        }
        for count in 2..6 {
            let more = CreatePartitionsTopic {
                name: "fish".into(),
                count,
                assignments: None,
                ..Default::default()
            };
            client.admin().create_partitions(vec![more], false).await.expect("an answer");
            assert_eq!(partitions(&client).await, usize::try_from(count).ok());
        }
        client.admin().delete_topics(&["fish".into()]).await.expect("an answer");
        assert_eq!(partitions(&client).await, None);
        node.stop().await;
    });
}
