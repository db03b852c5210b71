#include "tests/unit/jobspec_input.h"

struct jobspec_input ordinary_input(void)
{
    static const char *const forwarded[] = {"PREFECT_API_URL", "http://p.example/api", NULL};
    return (struct jobspec_input){
        .template_json = jobspec_default_template(),
        .deployment_variables_json = "{}",
        .run_variables_json = "{}",
        .flow_run_id = "9cbc73f1-52d4-41c9-8e06-1c2c934f169e",
        .flow_run_name = "heron",
        .flow_id = "62069e31",
        .flow_name = "f2",
        .deployment_id = "",
        .deployment_name = "",
        .deployment_updated = "",
        .pool_id = "p1",
        .pool_name = "pool",
        .worker_name = "w",
        .worker_id = "",
        .prefect_version = "3.8.8",
        .api_url = "http://p.example/api",
        .forwarded = forwarded,
        .default_image = "prefecthq/prefect:3-latest",
        .working_directory = "/srv",
        .instance = "i",
        .launch_id = "l",
        .class_name = "c",
        .engine_api_version = "1.41",
    };
}
